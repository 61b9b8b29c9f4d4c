use super::*;

/// The order of each scheme on a European option, where the kink is averaged and between nodes.
#[test]
fn orders() {
    let contract = Contract::european(row(OptionType::Put, 100.0, 107.0, 1.0, [0.05, 0.02], 0.25));
    let exact = crate::black::scalar::price(&contract.row, crate::black::Model::Bsm).unwrap();
    for (scheme, least) in [(Scheme::TrBdf2, 1.9), (Scheme::Rannacher, 1.9), (Scheme::ImplicitEuler, 1.9)] {
        let settings = Settings { scheme, space_steps: 320, time_steps: 160, ..Settings::default() };
        let report = report(&contract, &settings).unwrap();
        let order = report.order.unwrap();
        assert!((least..2.2).contains(&order), "{scheme:?} {report:?}");
        let error = report.error.unwrap();
        let off = (report.values[2] - exact).abs();
        assert!(off < 1.3 * error && off > 0.7 * error, "{scheme:?} {report:?} {exact}");
        assert!((report.estimate.value - exact).abs() < 0.05 * error, "{scheme:?} {report:?} {exact}");
    }
}

/// The order on American puts: two with steps that grow, less with even ones.
#[test]
fn american_orders() {
    for dividends in [&[] as &[CashDividend], &[cash(0.4, 2.0)]] {
        let contract = Contract::american(row(OptionType::Put, 100.0, 100.0, 1.0, [0.05, 0.0], 0.25), dividends);
        let at = |scheme| {
            let settings = Settings { scheme, space_steps: 640, time_steps: 320, ..Settings::default() };
            report(&contract, &settings).unwrap()
        };
        let (growing, even) = (at(Scheme::TrBdf2), at(Scheme::Rannacher));
        assert!(growing.order.unwrap() > 1.8, "{growing:?}");
        assert!(even.order.unwrap() < growing.order.unwrap(), "{even:?}");
    }
}

#[test]
fn stability() {
    let contract = Contract::european(row(OptionType::Put, 100.0, 100.0, 1.0, [0.05, 0.0], 0.25));
    let at = |scheme| report(&contract, &Settings { scheme, ..Settings::default() }).unwrap().stability;
    let damped = at(Scheme::TrBdf2);
    assert!(damped.amplification < 0.2 && damped.peclet < 1.0 && damped.upwind_nodes == 0, "{damped:?}");
    assert!(at(Scheme::CrankNicolson).amplification > 0.9);
    assert!(at(Scheme::ImplicitEuler).monotone && !at(Scheme::CrankNicolson).monotone);
    let refusal = damped.explicit_refusal().unwrap();
    assert!(refusal.starts_with("forward Euler is stable with at least") && refusal.contains("40 were"), "{refusal}");
    // As many steps as it says are enough.
    let enough = Settings {
        scheme: Scheme::Explicit,
        space_steps: 80,
        time_steps: 4
            * (report(&contract, &Settings { space_steps: 80, ..Settings::default() }).unwrap().stability.explicit_steps
                as usize),
        ..Settings::default()
    };
    assert!(solve(&contract, &enough).is_ok());
    // A strong drift against little volatility is differenced upwind.
    let windy = Contract::european(row(OptionType::Call, 100.0, 100.0, 1.0, [0.5, 0.0], 0.01));
    let report = report(&windy, &Settings::default()).unwrap();
    assert!(report.stability.upwind_nodes > 0 && report.stability.peclet > 1.0, "{report:?}");
}
