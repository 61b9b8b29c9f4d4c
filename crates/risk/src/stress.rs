//! Days that happened, and moves that desks rehearse, as scenarios.
//!
//! A day's moves are those of the S&P 500 from close to close and of its volatility index, which the whole surface is shifted by in
//! parallel: volatilities of long expiries moved less than the index on each of these days, so that the stress is severe for them.
//! From close to close one day passes, or three over a weekend. Source: published closes of the S&P 500, the Cboe VIX and, for 1987, the VXO.

use crate::Scenario;

/// A scenario with a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stress {
    /// The name that users give.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Its moves.
    pub scenario: Scenario,
}

const fn day(name: &'static str, description: &'static str, moves: [f64; 2], days: f64) -> Stress {
    let [spot_change, volatility_shift] = moves;
    Stress { name, description, scenario: Scenario { spot_change, volatility_shift, rate_shift: 0.0, days } }
}

const fn instant(name: &'static str, description: &'static str, scenario: Scenario) -> Stress {
    Stress { name, description, scenario }
}

/// Every stress: days of history first, the worst fall first.
pub const ALL: [Stress; 14] = [
    day("black_monday_1987", "19 October 1987: S&P 500 -20.47 %, VXO 36.37 to 150.19", [-0.2047, 1.1382], 3.0),
    day("covid_2020", "16 March 2020: S&P 500 -11.98 %, VIX 57.83 to 82.69", [-0.1198, 0.2486], 3.0),
    day("credit_crisis_2008", "15 October 2008: S&P 500 -9.03 %, VIX 55.13 to 69.25", [-0.0903, 0.1412], 1.0),
    day("downgrade_2011", "8 August 2011: S&P 500 -6.66 %, VIX 32.00 to 48.00", [-0.0666, 0.16], 3.0),
    day("volmageddon_2018", "5 February 2018: S&P 500 -4.10 %, VIX 17.31 to 37.32", [-0.041, 0.2001], 3.0),
    day("yuan_2015", "24 August 2015: S&P 500 -3.94 %, VIX 28.03 to 40.74", [-0.0394, 0.1271], 3.0),
    day("carry_unwind_2024", "5 August 2024: S&P 500 -3.00 %, VIX 23.39 to 38.57", [-0.03, 0.1518], 3.0),
    day("rebound_2020", "24 March 2020: S&P 500 +9.38 %, VIX 61.59 to 61.67", [0.0938, 0.0008], 1.0),
    instant(
        "crash",
        "a fall by 40 % at once, volatility 80 points up",
        Scenario { spot_change: -0.4, volatility_shift: 0.8, ..Scenario::NONE },
    ),
    instant(
        "melt_up",
        "a rise by 15 % at once, volatility 5 points up",
        Scenario { spot_change: 0.15, volatility_shift: 0.05, ..Scenario::NONE },
    ),
    instant("volatility_crush", "volatility 10 points down", Scenario { volatility_shift: -0.1, ..Scenario::NONE }),
    instant("volatility_spike", "volatility 25 points up", Scenario { volatility_shift: 0.25, ..Scenario::NONE }),
    instant("rates_up", "rates 300 basis points up", Scenario { rate_shift: 0.03, ..Scenario::NONE }),
    instant("quiet_month", "30 days pass and nothing moves", Scenario { days: 30.0, ..Scenario::NONE }),
];

/// The stress of a name.
pub fn named(name: &str) -> Option<&'static Stress> {
    ALL.iter().find(|stress| stress.name == name)
}
