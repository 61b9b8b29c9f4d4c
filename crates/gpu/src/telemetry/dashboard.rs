//! The Grafana dashboard, made from the metric registry: names, units and help come from there.

use serde_json::{Value, json};

use super::registry::{METRICS, Metric, Unit};

/// Grafana's grid is 24 wide.
const WIDTH: u32 = 24;
const HEIGHT: u32 = 8;

/// What a panel is.
#[derive(Clone, Copy)]
enum Look {
    /// Lines over time.
    Lines,
    /// Numbers now; red from this value on.
    Number(f64),
}

/// One panel.
struct Panel {
    title: &'static str,
    look: Look,
    unit: Unit,
    /// Expression and legend of each query.
    queries: &'static [(&'static str, &'static str)],
    width: u32,
}

const fn lines(title: &'static str, unit: Unit, queries: &'static [(&'static str, &'static str)]) -> Panel {
    Panel { title, look: Look::Lines, unit, queries, width: 8 }
}

const fn number(
    title: &'static str,
    red_from: f64,
    unit: Unit,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, look: Look::Number(red_from), unit, queries, width: 4 }
}

/// Red never.
const NEVER: f64 = f64::INFINITY;

/// Rows of panels. `$F` stands for the filter by instance and GPU.
const ROWS: &[(&str, &[Panel])] = &[
    (
        "Overview",
        &[
            number("GPUs", NEVER, Unit::None, &[("sum(zomma_gpu_devices{instance=~\"$instance\"})", "")]),
            number("Not answering", 1.0, Unit::None, &[("count(zomma_gpu_up{$F} == 0) or vector(0)", "")]),
            number("Failed", 1.0, Unit::None, &[("sum(zomma_gpu_health_state{$F,state=\"failed\"})", "")]),
            number("Degraded", 1.0, Unit::None, &[("sum(zomma_gpu_health_state{$F,state=\"degraded\"})", "")]),
            number("Power", NEVER, Unit::Watts, &[("sum(zomma_gpu_power_watts{$F})", "")]),
            number(
                "Sample age",
                30.0,
                Unit::Seconds,
                &[("max(zomma_gpu_sample_age_seconds{instance=~\"$instance\"})", "")],
            ),
        ],
    ),
    (
        "Work",
        &[
            lines("Utilization", Unit::Ratio, &[("zomma_gpu_utilization_ratio{$F}", "GPU {{gpu}} {{instance}}")]),
            lines(
                "Memory traffic",
                Unit::Ratio,
                &[("zomma_gpu_memory_utilization_ratio{$F}", "GPU {{gpu}} {{instance}}")],
            ),
            lines(
                "Video engines",
                Unit::Ratio,
                &[
                    ("zomma_gpu_encoder_utilization_ratio{$F}", "GPU {{gpu}} encoder {{instance}}"),
                    ("zomma_gpu_decoder_utilization_ratio{$F}", "GPU {{gpu}} decoder {{instance}}"),
                ],
            ),
        ],
    ),
    (
        "Memory",
        &[
            lines("In use", Unit::Bytes, &[("zomma_gpu_memory_used_bytes{$F}", "GPU {{gpu}} {{instance}}")]),
            lines(
                "Share in use",
                Unit::Ratio,
                &[("zomma_gpu_memory_used_bytes{$F} / zomma_gpu_memory_total_bytes{$F}", "GPU {{gpu}} {{instance}}")],
            ),
            lines("Free", Unit::Bytes, &[("zomma_gpu_memory_free_bytes{$F}", "GPU {{gpu}} {{instance}}")]),
        ],
    ),
    (
        "Heat, power and clocks",
        &[
            lines(
                "Temperature",
                Unit::Celsius,
                &[
                    ("zomma_gpu_temperature_celsius{$F}", "GPU {{gpu}} {{instance}}"),
                    ("min(zomma_gpu_slowdown_temperature_celsius{$F})", "slowdown limit"),
                ],
            ),
            lines(
                "Memory temperature",
                Unit::Celsius,
                &[("zomma_gpu_memory_temperature_celsius{$F}", "GPU {{gpu}} {{instance}}")],
            ),
            lines(
                "Power",
                Unit::Watts,
                &[
                    ("zomma_gpu_power_watts{$F}", "GPU {{gpu}} {{instance}}"),
                    ("min(zomma_gpu_power_limit_watts{$F})", "limit"),
                ],
            ),
            lines("Multiprocessor clock", Unit::Hertz, &[("zomma_gpu_sm_clock_hertz{$F}", "GPU {{gpu}} {{instance}}")]),
            lines("Throttled", Unit::None, &[("zomma_gpu_throttled{$F} == 1", "GPU {{gpu}} {{reason}} {{instance}}")]),
            lines("Fan", Unit::Ratio, &[("zomma_gpu_fan_speed_ratio{$F}", "GPU {{gpu}} {{instance}}")]),
        ],
    ),
    (
        "Links",
        &[
            lines(
                "PCIe",
                Unit::BytesPerSecond,
                &[
                    ("zomma_gpu_pcie_transmit_bytes_per_second{$F}", "GPU {{gpu}} sent {{instance}}"),
                    ("zomma_gpu_pcie_receive_bytes_per_second{$F}", "GPU {{gpu}} received {{instance}}"),
                ],
            ),
            lines(
                "NVLink",
                Unit::BytesPerSecond,
                &[
                    (
                        "rate(zomma_gpu_nvlink_transmit_bytes_total{$F}[$__rate_interval])",
                        "GPU {{gpu}} sent {{instance}}",
                    ),
                    (
                        "rate(zomma_gpu_nvlink_receive_bytes_total{$F}[$__rate_interval])",
                        "GPU {{gpu}} received {{instance}}",
                    ),
                ],
            ),
            lines(
                "Link errors in 5 minutes",
                Unit::None,
                &[
                    ("increase(zomma_gpu_nvlink_errors_total{$F}[5m])", "GPU {{gpu}} NVLink {{kind}} {{instance}}"),
                    ("increase(zomma_gpu_pcie_replays_total{$F}[5m])", "GPU {{gpu}} PCIe replays {{instance}}"),
                ],
            ),
        ],
    ),
    (
        "Health",
        &[
            lines("State", Unit::None, &[("zomma_gpu_health_state{$F} == 1", "GPU {{gpu}} {{state}} {{instance}}")]),
            lines("XIDs", Unit::None, &[("zomma_gpu_xid_errors_total{$F}", "GPU {{gpu}} XID {{xid}} {{instance}}")]),
            lines(
                "Memory errors",
                Unit::None,
                &[("zomma_gpu_ecc_errors_total{$F}", "GPU {{gpu}} {{kind}} {{instance}}")],
            ),
            lines(
                "Memory out of use",
                Unit::None,
                &[
                    ("zomma_gpu_remapped_rows{$F}", "GPU {{gpu}} rows, {{cause}} {{instance}}"),
                    ("zomma_gpu_retired_pages{$F}", "GPU {{gpu}} pages, {{cause}} {{instance}}"),
                ],
            ),
            lines("Alerts", Unit::None, &[("zomma_gpu_alert_active{$F} == 1", "GPU {{gpu}} {{alert}} {{instance}}")]),
            lines(
                "Failed reads in 5 minutes",
                Unit::None,
                &[("increase(zomma_gpu_read_failures_total{$F}[5m])", "GPU {{gpu}} {{field}} {{instance}}")],
            ),
        ],
    ),
];

/// The dashboard as Grafana imports it.
pub fn dashboard() -> Value {
    let mut panels = Vec::new();
    let (mut id, mut y) = (0, 0);
    for (title, row) in ROWS {
        id += 1;
        let place = json!({ "h": 1, "w": WIDTH, "x": 0, "y": y });
        panels.push(
            json!({ "id": id, "type": "row", "title": title, "collapsed": false, "gridPos": place, "panels": [] }),
        );
        y += 1;
        let (mut x, mut height) = (0, 0);
        for panel in *row {
            id += 1;
            height = if matches!(panel.look, Look::Number(_)) { HEIGHT / 2 } else { HEIGHT };
            if x + panel.width > WIDTH {
                (x, y) = (0, y + height);
            }
            panels.push(panel_json(panel, id, &json!({ "h": height, "w": panel.width, "x": x, "y": y })));
            x += panel.width;
        }
        y += height;
    }
    json!({
        "uid": "zomma-gpu",
        "title": "Zomma GPUs",
        "description": "What zomma gpu serve sees. Made from the metric registry by `cargo xtask dashboards`: change it there.",
        "tags": ["zomma", "gpu"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "timezone": "",
        "annotations": { "list": [] },
        "links": [],
        "templating": { "list": [
            { "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0 },
            variable("instance", "Instance", "label_values(zomma_gpu_samples_total, instance)"),
            variable("gpu", "GPU", "label_values(zomma_gpu_up{instance=~\"$instance\"}, gpu)"),
        ] },
        "panels": panels,
    })
}

/// The dashboard as the text of its file.
pub fn dashboard_json() -> String {
    // A value made of text and numbers can always be written.
    let text = serde_json::to_string_pretty(&dashboard()).unwrap_or_default();
    format!("{text}\n")
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": datasource(), "definition": query,
        "query": { "query": query, "refId": name }, "refresh": 2, "sort": 3, "multi": true, "includeAll": true, "allValue": ".*",
        "current": { "text": "All", "value": "$__all" }, "hide": 0,
    })
}

fn panel_json(panel: &Panel, id: u32, place: &Value) -> Value {
    let unit = grafana_unit(panel.unit);
    let help = help(panel);
    let targets: Vec<Value> = panel
        .queries
        .iter()
        .zip('A'..)
        .map(|((expression, legend), letter)| {
            let expression = expression.replace("$F", "instance=~\"$instance\",gpu=~\"$gpu\"");
            let legend = if legend.is_empty() { "__auto" } else { legend };
            json!({ "refId": letter.to_string(), "datasource": datasource(), "editorMode": "code", "expr": expression,
                    "legendFormat": legend, "range": true })
        })
        .collect();
    let mut defaults = json!({ "unit": unit, "color": { "mode": "palette-classic" }, "min": 0 });
    if unit == "percentunit" {
        defaults["max"] = json!(1);
    }
    let (kind, options) = match panel.look {
        Look::Lines => {
            defaults["custom"] = json!({ "drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false });
            let legend = json!({ "displayMode": "list", "placement": "bottom", "showLegend": true });
            ("timeseries", json!({ "legend": legend, "tooltip": { "mode": "multi", "sort": "desc" } }))
        }
        Look::Number(red_from) => {
            let mut steps = vec![json!({ "color": "green", "value": null })];
            if red_from.is_finite() {
                steps.push(json!({ "color": "red", "value": red_from }));
            }
            defaults["color"] = json!({ "mode": "thresholds" });
            defaults["thresholds"] = json!({ "mode": "absolute", "steps": steps });
            let reduce = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
            ("stat", json!({ "reduceOptions": reduce, "colorMode": "value", "graphMode": "none", "textMode": "value" }))
        }
    };
    json!({
        "id": id, "type": kind, "title": panel.title, "description": help, "gridPos": place, "datasource": datasource(),
        "fieldConfig": { "defaults": defaults, "overrides": [] }, "options": options, "targets": targets,
    })
}

/// What each metric of a panel is.
fn help(panel: &Panel) -> String {
    let of_panel = |metric: &&Metric| {
        panel.queries.iter().any(|(expression, _)| names(expression).any(|name| name == metric.name))
    };
    METRICS
        .iter()
        .filter(of_panel)
        .map(|metric| format!("{}: {}", metric.name, metric.help))
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// Words of an expression that could be metrics.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("zomma_"))
}

/// Grafana's name of a unit.
fn grafana_unit(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "short",
        Unit::Bytes => "bytes",
        Unit::BytesPerSecond => "Bps",
        Unit::Seconds => "s",
        Unit::Celsius => "celsius",
        Unit::Watts => "watt",
        Unit::Joules => "joule",
        Unit::Hertz => "hertz",
        Unit::Ratio => "percentunit",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::telemetry::registry;

    #[test]
    fn panels_have_ids_of_their_own_and_do_not_overlap() {
        let dashboard = dashboard();
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len());
        let mut taken = BTreeSet::new();
        for panel in panels {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= u64::from(WIDTH), "{panel}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "two panels at {x}, {y}: {panel}");
                }
            }
        }
    }

    #[test]
    fn each_query_is_of_metrics_of_the_registry() {
        for (expression, _) in ROWS.iter().flat_map(|(_, panels)| *panels).flat_map(|panel| panel.queries) {
            assert!(names(expression).count() > 0, "{expression}");
            for name in names(expression) {
                assert!(registry::find(name).is_some(), "{name}");
            }
        }
    }
}
