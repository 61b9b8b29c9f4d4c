//! The report in a real browser: every plot is drawn, every table filled, and nothing is reported as an error.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::program::{arg, run};

/// Names under which Chromium is installed.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Plots of the report: smile, surface, variance, density, three of the term structure, Greeks.
const PLOTS: [&str; 8] = [
    "smile-plot",
    "surface-plot",
    "variance-plot",
    "density-plot",
    "atm-plot",
    "forward-plot",
    "rate-plot",
    "greek-plot",
];

fn browser() -> Option<&'static str> {
    BROWSERS.into_iter().find(|name| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// The page's elements after its scripts have run, and what its console said.
fn open(browser: &str, page: &Path, profile: &Path) -> (String, String) {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"])
        .args(["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"])
        .args(["--disable-sync", "--window-size=1400,5000", "--virtual-time-budget=10000"])
        .args(["--enable-logging=stderr", "--v=0", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_plot_of_the_report_is_drawn() {
    let Some(browser) = browser() else {
        return zomma_testkit::skip("no browser");
    };
    let folder = tempfile::tempdir().unwrap();
    let [chain, history, out] = ["chain.csv", "history.csv", "out"].map(|name| folder.path().join(name));
    run(&["demo", "chain", "-o", arg(&chain), "--history", arg(&history)]).ok();
    run(&["analyze", arg(&chain), "--history", arg(&history), "--out", arg(&out)]).ok();
    // The generated chain has two dates: one folder each.
    let dates = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path().join("report.html"));
    let report = dates.filter(|report| report.is_file()).max().unwrap();
    let (page, console) = open(browser, &report, &folder.path().join("profile"));
    for plot in PLOTS {
        let element = page.split(&format!("id=\"{plot}\"")).next().and_then(|before| before.rsplit('<').next());
        let element = element.unwrap_or_else(|| panic!("no {plot} in the page"));
        assert!(element.contains("js-plotly-plot"), "{plot} is not drawn: <{element}");
    }
    for table in ["wheel-table", "expiry-table"] {
        let rows = page.split(&format!("id=\"{table}\"")).nth(1).and_then(|after| after.split("</table>").next());
        let rows = rows.unwrap_or_else(|| panic!("no {table} in the page")).matches("<tr").count();
        assert!(rows > 5, "{table} has {rows} rows");
    }
    let errors: Vec<&str> =
        console.lines().filter(|line| line.contains("CONSOLE") && line.contains("Uncaught")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
