//! A device against the CPU's engine on the same random numbers.

use zomma_gpu::{Compute, Device, DeviceKind, list};

use super::*;
use crate::monte_carlo::{Model, Payoff};
use crate::tolerance::DEVICE_HESTON;

const MARKET: Market = Market { spot: 100.0, expiry_years: 1.0, risk_free_rate: 0.03, dividend_yield: 0.01 };
const HESTON: Heston = Heston { v0: 0.05, kappa: 1.5, theta_v: 0.06, sigma_v: 0.6, rho_v: -0.7 };

#[test]
fn a_device_prices_heston_as_the_cpu_does() {
    let device = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    let compute: Option<Compute> = device.and_then(|device| device.open().unwrap());
    let Some(compute) = compute else { return zomma_testkit::skip("no device") };
    // The second breaks what the martingale correction needs, at large steps.
    for (heston, steps) in [(HESTON, 12), (Heston { rho_v: 0.9, sigma_v: 1.5, ..HESTON }, 3)] {
        for sampling in [Sampling::Independent, Sampling::Antithetic] {
            for (option_type, strike) in [(OptionType::Call, 105.0), (OptionType::Put, 90.0)] {
                let plan = Plan::new(0x1234_5678_9abc, 10_001, steps).sampled(sampling);
                let cpu = super::super::price(
                    &MARKET,
                    &Model::Heston(heston),
                    &Payoff::European { option_type, strike },
                    &plan,
                )
                .unwrap();
                let option = HestonEuropean::new(&MARKET, &heston, (option_type, strike), &plan).unwrap();
                for reduction in [Reduction::Best, Reduction::Shared, Reduction::Planes] {
                    let got = price_by(&compute, &option, reduction).unwrap().unwrap();
                    let off = (got.price - cpu.price).abs() / MARKET.spot;
                    assert!(off <= DEVICE_HESTON, "{heston:?} {sampling:?} {reduction:?}: {got:?} {cpu:?}, {off:e}");
                    assert!((got.standard_error / cpu.standard_error - 1.0).abs() <= 1e-9, "{got:?} {cpu:?}");
                    assert_eq!((got.samples, got.paths), (cpu.samples, cpu.paths));
                    assert_eq!(price_by(&compute, &option, reduction).unwrap(), Some(got), "the same bits again");
                }
            }
        }
    }
}

#[test]
fn what_a_device_does_not_do_is_refused_by_name() {
    let plan = Plan::new(1, 1000, 4);
    let ask = |heston: Heston, strike, plan: Plan| {
        HestonEuropean::new(&MARKET, &heston, (OptionType::Call, strike), &plan).unwrap_err().to_string()
    };
    assert_eq!(ask(HESTON, f64::NAN, plan), "bad_strike");
    assert_eq!(ask(Heston { rho_v: 2.0, ..HESTON }, 1.0, plan), "bad_rho_v");
    assert_eq!(ask(Heston { sigma_v: 0.0, ..HESTON }, 1.0, plan), "not supported: a certain variance on a device");
    let sobol = plan.sampled(Sampling::Sobol { replications: 4 });
    assert_eq!(ask(HESTON, 1.0, sobol), "not supported: Sobol's points or a control on a device");
    assert_eq!(ask(HESTON, 1.0, Plan { paths: 1, ..plan }), "1 paths: at least 2 are needed");
}
