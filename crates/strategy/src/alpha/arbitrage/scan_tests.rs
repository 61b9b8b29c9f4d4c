//! Nothing is found where there is nothing, what is planted is found with its edge, and what is found pays.

use proptest::prelude::*;
use zomma_base::{ExerciseStyle, OptionType};

use super::{
    Costs, ExpiryQuotes, Finding, Hedge, Instrument, Kind, Leg, Level, OptionQuote, QuoteState, Side, Standing,
    box_rates, scan,
    test_market::{TestMarket, market},
};

const NO_FEES: Costs = Costs { fee_per_contract: 0.0, fee_per_share: 0.0, multiplier: 100.0 };

fn option(quotes: &mut [ExpiryQuotes], expiry: usize, option_type: OptionType, strike: f64) -> &mut OptionQuote {
    let same = |quote: &&mut OptionQuote| quote.option_type == option_type && quote.strike == strike;
    quotes[expiry].options.iter_mut().find(same).unwrap()
}

fn sized(price: f64) -> Option<Level> {
    Some(Level { price, size: Some(10.0) })
}

/// The finding of a kind with the greatest edge.
fn best(found: &[Finding], kind: Kind) -> &Finding {
    let same = found.iter().filter(|finding| finding.kind == kind);
    same.max_by(|a, b| a.edge.total_cmp(&b.edge)).unwrap_or_else(|| panic!("no {kind:?} in {found:#?}"))
}

fn sides(finding: &Finding) -> Vec<(Side, OptionType, f64)> {
    let legs = finding.legs.iter().filter_map(|leg| match leg.instrument {
        Instrument::Option { option_type, strike, .. } => Some((leg.side, option_type, strike)),
        _ => None,
    });
    legs.collect()
}

#[test]
fn a_vertical_has_the_planted_edge_and_pays_fees() {
    let mut quotes = market(ExerciseStyle::European).quotes();
    let low = option(&mut quotes, 1, OptionType::Call, 95.0).ask.unwrap().price;
    *option(&mut quotes, 1, OptionType::Call, 97.5) = OptionQuote {
        bid: sized(low + 0.37),
        ask: sized(low + 0.41),
        ..*option(&mut quotes, 1, OptionType::Call, 97.5)
    };
    let costs = Costs { fee_per_contract: 0.65, ..NO_FEES };
    let found = scan(&quotes, &costs);
    let vertical = best(&found, Kind::Vertical);
    assert!((vertical.edge - 0.37).abs() < 1e-12);
    // Two contracts at 65 cents, a hundred shares each.
    assert!((vertical.edge_after_fees - (0.37 - 0.013)).abs() < 1e-12);
    assert_eq!(sides(vertical), [(Side::Sell, OptionType::Call, 97.5), (Side::Buy, OptionType::Call, 95.0)]);
    assert_eq!((vertical.expiry, vertical.units, vertical.lot), (1, Some(10.0), Some(1)));
    assert_eq!((vertical.standing, vertical.locked_rate), (Standing::Executable, None));
    let greedy = scan(&quotes, &Costs { fee_per_contract: 20.0, ..NO_FEES });
    assert_eq!(best(&greedy, Kind::Vertical).standing, Standing::BelowFees);
}

#[test]
fn a_butterfly_of_uneven_strikes_has_the_planted_edge_and_whole_contracts() {
    let mut quotes = market(ExerciseStyle::European).quotes();
    let ask = |quotes: &mut Vec<ExpiryQuotes>, strike| option(quotes, 2, OptionType::Put, strike).ask.unwrap().price;
    let (low, high) = (ask(&mut quotes, 110.0), ask(&mut quotes, 140.0));
    // Between 110 and 140, 120 has weights 2/3 and 1/3.
    let line = low * 2.0 / 3.0 + high / 3.0;
    let middle = option(&mut quotes, 2, OptionType::Put, 120.0);
    (middle.bid, middle.ask) = (sized(line + 0.25), sized(line + 0.5));
    let found = scan(&quotes, &NO_FEES);
    let butterfly = best(&found, Kind::Butterfly);
    assert_eq!(
        sides(butterfly),
        [
            (Side::Buy, OptionType::Put, 110.0),
            (Side::Sell, OptionType::Put, 120.0),
            (Side::Buy, OptionType::Put, 140.0)
        ]
    );
    assert!((butterfly.edge - 0.25).abs() < 1e-9 && butterfly.lot == Some(3), "{butterfly:?}");
    // The sold option has 10 contracts.
    assert!((butterfly.units.unwrap() - 10.0).abs() < 1e-9);
}

#[test]
fn a_box_and_a_conversion_have_the_planted_edge_and_rate() {
    let mut quotes = market(ExerciseStyle::European).quotes();
    let cash = quotes[2].cash.unwrap();
    // The synthetic at 105 is sold so that against the one at 85 it brings 0.30.
    let price =
        |quote: &OptionQuote, bought: bool| if bought { quote.ask.unwrap().price } else { quote.bid.unwrap().price };
    let bought = price(option(&mut quotes, 2, OptionType::Call, 85.0), true)
        - price(option(&mut quotes, 2, OptionType::Put, 85.0), false);
    let put = price(option(&mut quotes, 2, OptionType::Put, 105.0), true);
    let call = bought + put - 20.0 * cash.borrow + 0.3;
    let high = option(&mut quotes, 2, OptionType::Call, 105.0);
    (high.bid, high.ask) = (sized(call), sized(call + 0.05));
    let found = scan(&quotes, &NO_FEES);
    let same = |finding: &&Finding| {
        finding.kind == Kind::Box
            && sides(finding).contains(&(Side::Buy, OptionType::Call, 85.0))
            && sides(finding).contains(&(Side::Sell, OptionType::Call, 105.0))
    };
    // Another strike than 85 can be better by the quotes' rounding, never worse.
    let boxed = best(&found, Kind::Box);
    assert!(boxed.edge >= 0.3 - 1e-12 && boxed.edge < 0.36);
    if let Some(planted) = found.iter().find(same) {
        assert!((planted.edge - 0.3).abs() < 1e-12);
        assert!((planted.locked_rate.unwrap() - (20.0 / (20.0 * cash.borrow - 0.3)).ln()).abs() < 1e-12);
        assert!(planted.excess_rate.unwrap() > 0.01);
    }
    let conversion = best(&found, Kind::Conversion);
    let expected = call - put - 100.01 * (-0.015_f64).exp() + 105.0 * cash.borrow;
    assert!((conversion.edge - expected).abs() < 1e-12 && expected > 0.2);
    // The hedge has a thousand shares, ten contracts' worth.
    assert_eq!(conversion.units, Some(10.0));
    // The boxes alone say that lending pays more than the market's 4 %.
    let rates = box_rates(&quotes[2], &NO_FEES);
    assert!(rates.lend.unwrap().rate > 0.05 && rates.borrow.unwrap().rate < rates.lend.unwrap().rate);
}

#[test]
fn boxes_lend_and_borrow_around_the_rate_that_made_the_prices() {
    let rates = box_rates(&market(ExerciseStyle::European).quotes()[2], &NO_FEES);
    let (lend, borrow) = (rates.lend.unwrap(), rates.borrow.unwrap());
    assert!(lend.rate < 0.04 && borrow.rate > 0.04 && borrow.rate - lend.rate < 0.01, "{rates:?}");
    assert!((lend.amount - (lend.strikes[1] - lend.strikes[0]) * (-lend.rate).exp()).abs() < 1e-9);
    let fees = box_rates(&market(ExerciseStyle::European).quotes()[2], &Costs { fee_per_contract: 1.0, ..NO_FEES });
    assert!(fees.lend.unwrap().rate < lend.rate && fees.borrow.unwrap().rate > borrow.rate);
}

#[test]
fn a_calendar_has_the_planted_edge_at_the_strike_that_the_carry_allows() {
    let mut quotes = market(ExerciseStyle::European).quotes();
    // Growth from 0.35 to 1.0 years at 4 − 1.5 % lifts 100 to 101.64: the far puts to buy are those at 102.5, e^{0.015 · 0.65} of them.
    let count = (0.015_f64 * 0.65).exp();
    let far = count * option(&mut quotes, 2, OptionType::Put, 102.5).ask.unwrap().price;
    let near = option(&mut quotes, 1, OptionType::Put, 100.0);
    (near.bid, near.ask) = (sized(far + 0.2), sized(far + 0.3));
    let found = scan(&quotes, &NO_FEES);
    let calendar = best(&found, Kind::Calendar);
    assert_eq!(sides(calendar), [(Side::Sell, OptionType::Put, 100.0), (Side::Buy, OptionType::Put, 102.5)]);
    assert!((calendar.edge - 0.2).abs() < 1e-12 && calendar.far_expiry == Some(2));
    assert!((calendar.legs[1].quantity - count).abs() < 1e-12);
    // Without that strike one put from 102.63 up is enough: 100 lent over 0.65 years at 4 %.
    quotes[2].options.retain(|quote| quote.strike < 102.0 || quote.strike > 103.0);
    let far = option(&mut quotes, 2, OptionType::Put, 105.0).ask.unwrap().price;
    let near = option(&mut quotes, 1, OptionType::Put, 100.0);
    (near.bid, near.ask) = (sized(far + 0.2), sized(far + 0.3));
    let found = scan(&quotes, &NO_FEES);
    let calendar = best(&found, Kind::Calendar);
    assert!((calendar.edge - 0.2).abs() < 1e-12 && calendar.legs[1].quantity == 1.0 && calendar.lot == Some(1));

    // American: the same strike.
    let mut quotes = market(ExerciseStyle::American).quotes();
    let far = option(&mut quotes, 2, OptionType::Call, 100.0).ask.unwrap().price;
    let near = option(&mut quotes, 0, OptionType::Call, 100.0);
    (near.bid, near.ask) = (sized(far + 0.2), sized(far + 0.3));
    let found = scan(&quotes, &NO_FEES);
    let calendar = found.iter().find(|finding| {
        sides(finding) == [(Side::Sell, OptionType::Call, 100.0), (Side::Buy, OptionType::Call, 100.0)]
            && finding.far_expiry == Some(2)
    });
    assert!((calendar.unwrap().edge - 0.2).abs() < 1e-12 && calendar.unwrap().assumes.is_empty());
}

#[test]
fn an_american_option_below_its_exercise_is_a_bound_and_a_short_box_is_none() {
    let mut quotes = market(ExerciseStyle::American).quotes();
    let deep = option(&mut quotes, 0, OptionType::Put, 140.0);
    (deep.bid, deep.ask) = (sized(39.0), sized(39.49));
    let found = scan(&quotes, &NO_FEES);
    let bound = best(&found, Kind::LowerBound);
    // Buy the put at 39.49 and the stock at 100.01, get 140 at once.
    assert!((bound.edge - 0.5).abs() < 1e-12 && bound.assumes.is_empty(), "{bound:?}");

    // Both verticals at their full undiscounted width: European, a short box brings more than its present value; American, it owes that twice.
    for (style, count) in [(ExerciseStyle::European, 1), (ExerciseStyle::American, 0)] {
        let level = |price| Some(Level { price, size: None });
        let quote = |option_type, strike, bid, ask| OptionQuote {
            row: 0,
            option_type,
            strike,
            bid: level(bid),
            ask: level(ask),
            state: QuoteState::Live,
        };
        let quotes = ExpiryQuotes {
            exercise_style: style,
            hedge: None,
            options: vec![
                quote(OptionType::Call, 90.0, 15.0, 15.1),
                quote(OptionType::Call, 110.0, 5.0, 5.05),
                quote(OptionType::Put, 90.0, 4.9, 4.95),
                quote(OptionType::Put, 110.0, 14.95, 15.0),
            ],
            ..market(style).quotes()[2].clone()
        };
        let found = scan(&[quotes], &NO_FEES);
        let boxes = found.iter().filter(|finding| finding.kind == Kind::Box).count();
        assert_eq!(boxes, count, "{style:?}: {found:#?}");
    }
}

#[test]
fn doubtful_quotes_are_told_apart_and_hide_nothing() {
    type Spoil = fn(&mut OptionQuote);
    let spoil: [(Standing, Spoil); 3] = [
        (Standing::Stale, |quote| quote.state = QuoteState::Stale),
        (Standing::Crossed, |quote| quote.state = QuoteState::Crossed),
        (Standing::ZeroSize, |quote| quote.bid = quote.bid.map(|bid| Level { size: Some(0.0), ..bid })),
    ];
    for (standing, spoil) in spoil {
        let mut quotes = market(ExerciseStyle::European).quotes();
        for (strike, bid) in [(97.5, 60.0), (110.0, 12.0)] {
            let quote = option(&mut quotes, 1, OptionType::Call, strike);
            (quote.bid, quote.ask) = (sized(bid), sized(bid + 0.5));
        }
        let clean = scan(&quotes, &NO_FEES);
        spoil(option(&mut quotes, 1, OptionType::Call, 97.5));
        let found = scan(&quotes, &NO_FEES);
        let doubtful: Vec<bool> = found.iter().map(|finding| finding.standing == standing).collect();
        assert!(doubtful.contains(&true) && doubtful.contains(&false) && doubtful.is_sorted(), "{standing:?}");
        let of_110 = |found: &[Finding]| {
            let sold = (Side::Sell, OptionType::Call, 110.0);
            let edges = found.iter().filter(|finding| finding.standing.is_tradable() && sides(finding).contains(&sold));
            edges.map(|finding| finding.edge).fold(0.0, f64::max)
        };
        assert!(of_110(&found) > 1.0 && of_110(&clean) > 1.0);
        let mut by_edge = found.iter().filter(|finding| finding.standing.is_tradable());
        assert!(by_edge.by_ref().map(|finding| -finding.edge_after_fees).is_sorted());
    }
    // A size that the data do not have is neither there nor zero.
    let mut quotes = market(ExerciseStyle::European).quotes();
    option(&mut quotes, 1, OptionType::Call, 97.5).bid = Some(Level { price: 60.0, size: None });
    let found = scan(&quotes, &NO_FEES);
    assert!(found.iter().all(|finding| finding.standing == Standing::SizeUnknown && finding.units.is_none()));
}

#[test]
fn european_options_are_hedged_by_a_forward_and_american_ones_are_not() {
    for style in [ExerciseStyle::European, ExerciseStyle::American] {
        let mut quotes = market(style).quotes();
        let [forward, _] = market(style).carry(1.0);
        let level = |price| Level { price, size: Some(1_000.0) };
        quotes[2].hedge = Some(Hedge::Forward { bid: level(forward + 0.5), ask: level(forward + 0.6) });
        let found = scan(&quotes, &NO_FEES);
        let reversals: Vec<&Finding> = found.iter().filter(|finding| finding.kind == Kind::Reversal).collect();
        assert_eq!(reversals.is_empty(), style == ExerciseStyle::American);
        for reversal in reversals {
            // The forward is 0.5 too high, less the spreads of two options, discounted.
            assert!((0.3..0.5).contains(&reversal.edge), "{reversal:?}");
        }
    }
}

/// The payoff of legs at one price, each option at its intrinsic value.
fn payoff(legs: &[&Leg], price: f64) -> f64 {
    let of = |leg: &Leg| match leg.instrument {
        Instrument::Option { option_type, strike, .. } => (option_type.sign() * (price - strike)).max(0.0),
        Instrument::Stock => price,
        Instrument::Forward { .. } => price - leg.price,
        Instrument::Cash { .. } => 1.0,
    };
    legs.iter().map(|leg| leg.side.sign() * leg.delivered * of(leg)).sum()
}

/// Checks a finding by playing it through on a grid of prices, and American ones with each sold option exercised first.
fn assert_pays(finding: &Finding, quotes: &[ExpiryQuotes]) -> Result<(), TestCaseError> {
    let grid = (0..=600).map(f64::from);
    let all: Vec<&Leg> = finding.legs.iter().collect();
    let style = quotes[finding.expiry].exercise_style;
    let tolerance = 1e-7;
    if let Some(far) = finding.far_expiry {
        let [[f1, d1], [f2, d2]] = [finding.expiry, far].map(|expiry| quotes[expiry].carry.unwrap());
        for price in grid {
            let value: f64 = finding
                .legs
                .iter()
                .map(|leg| {
                    let Instrument::Option { option_type, strike, expiry, .. } = leg.instrument else { return 0.0 };
                    let now = (option_type.sign() * (price - strike)).max(0.0);
                    let held = (option_type.sign() * d2 / d1 * (price * f2 / f1 - strike)).max(0.0);
                    let is_over = expiry == finding.expiry || style == ExerciseStyle::American;
                    let worth = if is_over { now } else { held };
                    leg.side.sign() * leg.quantity * worth
                })
                .sum();
            prop_assert!(value > -tolerance, "{price}: {value} {finding:?}");
        }
    } else {
        for price in grid.clone() {
            prop_assert!(payoff(&all, price) > -tolerance, "{price}: {finding:?}");
        }
        if style == ExerciseStyle::American {
            for first in [OptionType::Call, OptionType::Put] {
                let of_type = |leg: &Leg, wanted: OptionType| matches!(leg.instrument, Instrument::Option { option_type, .. } if option_type == wanted);
                let is_option = |leg: &Leg| matches!(leg.instrument, Instrument::Option { .. });
                let now: Vec<&Leg> = finding.legs.iter().filter(|leg| !is_option(leg) || of_type(leg, first)).collect();
                let later: Vec<&Leg> =
                    finding.legs.iter().filter(|leg| is_option(leg) && !of_type(leg, first)).collect();
                for at in grid.clone().step_by(5) {
                    let is_exercised = finding.legs.iter().any(|leg| match leg.instrument {
                        Instrument::Option { option_type, strike, .. } => {
                            leg.side == Side::Sell && option_type == first && first.sign() * (at - strike) > 0.0
                        }
                        _ => false,
                    });
                    for after in grid.clone().step_by(5).filter(|_| is_exercised) {
                        let value = payoff(&now, at) + payoff(&later, after);
                        prop_assert!(value > -tolerance, "{at}, {after}: {value} {finding:?}");
                    }
                }
            }
        }
    }
    let cost: f64 = finding
        .legs
        .iter()
        .map(|leg| match leg.instrument {
            Instrument::Forward { .. } => 0.0,
            _ => leg.side.sign() * leg.quantity * leg.price,
        })
        .sum();
    prop_assert!((cost + finding.edge).abs() < 1e-9 && finding.edge > 0.0);
    for leg in &finding.legs {
        let Instrument::Option { row, option_type, strike, expiry } = leg.instrument else { continue };
        let quote = quotes[expiry].options.iter().find(|quote| quote.row == row).unwrap();
        prop_assert_eq!((quote.option_type, quote.strike), (option_type, strike));
        let level = if leg.side == Side::Buy { quote.ask } else { quote.bid };
        prop_assert_eq!(level.map(|level| level.price), Some(leg.price));
    }
    Ok(())
}

/// The greatest edge of each kind among all pairs and triples of one European expiry, found the long way.
fn brute_force(quotes: &ExpiryQuotes) -> [(Kind, f64); 4] {
    let cash = quotes.cash.unwrap();
    let of = |option_type: OptionType| {
        let mut options: Vec<OptionQuote> =
            quotes.options.iter().copied().filter(|quote| quote.option_type == option_type).collect();
        options.sort_by(|a, b| a.strike.total_cmp(&b.strike));
        options
    };
    let (calls, puts) = (of(OptionType::Call), of(OptionType::Put));
    let bid = |quote: &OptionQuote| quote.bid.map_or(f64::NEG_INFINITY, |level| level.price);
    let ask = |quote: &OptionQuote| quote.ask.map_or(f64::INFINITY, |level| level.price);
    let (mut vertical, mut width, mut butterfly, mut boxed) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    let n = calls.len();
    for i in 0..n {
        for j in i + 1..n {
            let distance = calls[j].strike - calls[i].strike;
            vertical = vertical.max(bid(&calls[j]) - ask(&calls[i])).max(bid(&puts[i]) - ask(&puts[j]));
            width = width
                .max(bid(&calls[i]) - ask(&calls[j]) - distance * cash.lend)
                .max(bid(&puts[j]) - ask(&puts[i]) - distance * cash.lend);
            let long = ask(&calls[i]) - bid(&puts[i]) - bid(&calls[j]) + ask(&puts[j]);
            let short = bid(&calls[i]) - ask(&puts[i]) - ask(&calls[j]) + bid(&puts[j]);
            boxed = boxed.max(distance * cash.borrow - long).max(short - distance * cash.lend);
            for k in j + 1..n {
                let weight = (calls[k].strike - calls[j].strike) / (calls[k].strike - calls[i].strike);
                for side in [&calls, &puts] {
                    let wings = weight * ask(&side[i]) + (1.0 - weight) * ask(&side[k]);
                    butterfly = butterfly.max(bid(&side[j]) - wings);
                }
            }
        }
    }
    [(Kind::Vertical, vertical), (Kind::VerticalWidth, width), (Kind::Butterfly, butterfly), (Kind::Box, boxed)]
}

fn any_market(style: ExerciseStyle) -> impl Strategy<Value = TestMarket> {
    let terms = (0.0..0.08_f64, 0.0..0.06_f64, 0.08..0.9_f64, 0.0..0.2_f64, 0.001..0.3_f64);
    let strikes = prop::collection::btree_set(20..90_u32, 3..16);
    let years = prop::collection::btree_set(1..60_u32, 1..4);
    (terms, strikes, years).prop_map(
        move |((rate, dividend_yield, volatility, mixture, half_spread), strikes, years)| TestMarket {
            style,
            spot: 100.0,
            rate,
            dividend_yield,
            volatility,
            mixture: if style == ExerciseStyle::European { mixture } else { 0.0 },
            half_spread,
            years: years.into_iter().map(|step| 0.03 * f64::from(step)).collect(),
            strikes: strikes.into_iter().map(|step| 2.5 * f64::from(step)).collect(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn prices_of_a_model_with_a_spread_around_them_give_no_finding(market in any_market(ExerciseStyle::European)) {
        let found = scan(&market.quotes(), &NO_FEES);
        prop_assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn american_prices_of_a_model_give_no_finding(market in any_market(ExerciseStyle::American)) {
        let found = scan(&market.quotes(), &NO_FEES);
        prop_assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn what_is_found_in_noise_pays_whatever_happens_and_is_the_best_of_its_kind(
        market in any_market(ExerciseStyle::European),
        american in any::<bool>(),
        noise in prop::collection::vec(-0.08..0.08_f64, 96),
    ) {
        let mut quotes = market.quotes();
        for expiry in &mut quotes {
            expiry.exercise_style = if american { ExerciseStyle::American } else { ExerciseStyle::European };
            for (quote, noise) in expiry.options.iter_mut().zip(noise.iter().cycle()) {
                let moved = |level: Option<Level>| level.map(|level| Level { price: level.price * (1.0 + noise), ..level });
                (quote.bid, quote.ask) = (moved(quote.bid), moved(quote.ask));
            }
        }
        let found = scan(&quotes, &NO_FEES);
        for finding in &found {
            assert_pays(finding, &quotes)?;
        }
        for (index, expiry) in quotes.iter().enumerate().filter(|_| !american) {
            for (kind, edge) in brute_force(expiry) {
                let same = found.iter().filter(|finding| finding.kind == kind && finding.expiry == index);
                let found = same.map(|finding| finding.edge).fold(0.0, f64::max);
                prop_assert!((found - edge).abs() < 1e-8, "{kind:?}: {found}, the long way {edge}");
            }
        }
    }

    #[test]
    fn a_planted_bid_is_found_with_its_edge(market in any_market(ExerciseStyle::European), at in 0..1000_usize, edge in 0.01..5.0_f64) {
        let mut quotes = market.quotes();
        let strikes = market.strikes.len();
        let (low, high) = (at % (strikes - 1), at % (strikes - 1) + 1);
        let bought = option(&mut quotes, 0, OptionType::Call, market.strikes[low]).ask.unwrap().price;
        let sold = option(&mut quotes, 0, OptionType::Call, market.strikes[high]);
        (sold.bid, sold.ask) = (sized(bought + edge), sized(bought + edge + 0.01));
        let row = sold.row;
        let found = scan(&quotes, &NO_FEES);
        let verticals: Vec<&Finding> = found.iter().filter(|finding| finding.kind == Kind::Vertical).collect();
        let is_sold = |finding: &&&Finding| finding.legs.iter().any(|leg| {
            leg.side == Side::Sell && matches!(leg.instrument, Instrument::Option { row: sold, .. } if sold == row)
        });
        let planted = verticals.iter().find(is_sold);
        // The model's asks fall with the strike, so the neighbour is the cheapest to buy.
        prop_assert!(planted.is_some_and(|finding| (finding.edge - edge).abs() < 1e-9), "{planted:?}");
        // Nothing else is sold below that is not sold because of the planted option.
        for finding in &found {
            let touches = finding.legs.iter().any(|leg| matches!(leg.instrument, Instrument::Option { row: of, .. } if of == row));
            prop_assert!(touches, "{finding:?}");
        }
    }
}
