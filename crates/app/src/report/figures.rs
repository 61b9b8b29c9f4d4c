//! A page of plots: a title, a line of facts, and any number of figures, in one file that loads nothing from anywhere.

use serde_json::Value;

use super::page::{escaped, filled, json_in_html, plotly_js};

const FRAME: &str = include_str!("figures.html");

/// The page. A figure is `{"data": traces, "layout": layout}` as plotly.js takes them.
pub fn figures_page(title: &str, facts: &str, figures: &[Value]) -> anyhow::Result<Vec<u8>> {
    let data = json_in_html(&serde_json::to_string(figures)?);
    let parts = [
        ("{{title}}", escaped(title).into()),
        ("{{facts}}", escaped(facts).into()),
        ("{{version}}", env!("CARGO_PKG_VERSION").into()),
        ("{{data}}", data.into()),
        ("{{plotly}}", plotly_js().into()),
    ];
    Ok(filled(FRAME, &parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_stays_text() {
        let figure = serde_json::json!({ "data": [{ "name": "</script>" }], "layout": {} });
        let page = figures_page("<b>", "{{data}}", &[figure]).expect("it is JSON");
        let page = String::from_utf8(page).expect("it is text");
        assert!(page.contains("<h1>&lt;b&gt;</h1>") && page.contains("<p>{{data}}</p>"));
        assert!(page.contains(r#"[{"data":[{"name":"\u003c/script>"}],"layout":{}}]"#));
    }
}
