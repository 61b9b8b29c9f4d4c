//! The features for a terminal.

use std::fmt::Write;

use super::rows::DayFeatures;

/// The days: of one, everything by line; of many, a row each.
pub fn text(days: &[DayFeatures]) -> String {
    let mut text = String::new();
    match days {
        [day] => one(&mut text, day),
        _ => many(&mut text, days),
    }
    text
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{:.2} %", 100.0 * value))
}

/// A ratio, or a price.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.2}"))
}

/// Currency in millions.
fn millions(value: f64) -> String {
    format!("{:.1} m", value / 1e6)
}

fn one(text: &mut String, day: &DayFeatures) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{} {}, spot {:.2}\n", day.underlying, day.quote_date, day.spot);
    let _ = writeln!(text, "  {:<10}{:>10}{:>10}{:>10}{:>10}{:>10}", "tenor", "atm", "rr25", "bf25", "90-110", "slope");
    for tenor in &day.tenors {
        let skew = &tenor.skew;
        let _ = writeln!(
            text,
            "  {:<10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            format!("{} days", tenor.days),
            percent(skew.atm),
            percent(skew.rr25),
            percent(skew.bf25),
            percent(skew.skew_90_110),
            number(skew.slope)
        );
    }
    let _ = writeln!(text, "  term slope {}", percent(day.term_slope));
    let _ = writeln!(
        text,
        "\n  puts over calls: {} by volume, {} by open interest",
        number(day.volume.ratio),
        number(day.open_interest.ratio)
    );
    let _ = writeln!(
        text,
        "  dealers assumed {}: gamma {} for 1 % (calls {}, puts {}), zero at {}",
        day.dealers.as_str(),
        millions(day.gamma_exposure),
        millions(day.call_gamma_exposure),
        millions(day.put_gamma_exposure),
        number(day.zero_gamma)
    );
    let _ = writeln!(
        text,
        "  vanna {} for a point of volatility, charm {} a day; Greeks cover {} of the open interest",
        millions(day.vanna_exposure),
        millions(day.charm_exposure),
        percent(day.open_interest_covered)
    );
    let expiry = day.max_pain_expiry.as_deref().unwrap_or("no expiry with open interest");
    let _ = writeln!(text, "  max pain {} ({expiry})", number(day.max_pain));
}

fn many(text: &mut String, days: &[DayFeatures]) {
    let Some([first, second]) = days.first().map(|day| [day.tenors[0].days, day.tenors[1].days]) else { return };
    let dealers = days.first().map_or("", |day| day.dealers.as_str());
    let _ = writeln!(
        text,
        "{:<11}{:<7}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>12}{:>10}{:>10}",
        "date",
        "",
        "spot",
        format!("atm{first}d"),
        format!("atm{second}d"),
        format!("rr25-{first}"),
        format!("bf25-{first}"),
        "90-110",
        "p/c vol",
        "p/c oi",
        "gamma 1 %",
        "zero",
        "max pain"
    );
    for day in days {
        let skew = &day.tenors[0].skew;
        let _ = writeln!(
            text,
            "{:<11}{:<7}{:>10.2}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>12}{:>10}{:>10}",
            day.quote_date,
            day.underlying,
            day.spot,
            percent(skew.atm),
            percent(day.tenors[1].skew.atm),
            percent(skew.rr25),
            percent(skew.bf25),
            percent(skew.skew_90_110),
            number(day.volume.ratio),
            number(day.open_interest.ratio),
            millions(day.gamma_exposure),
            number(day.zero_gamma),
            number(day.max_pain)
        );
    }
    let _ = writeln!(text, "gamma in currency for 1 % of the underlying, dealers assumed {dealers}");
}
