//! What an option costs by the network, and by the formula or series that taught it.

use std::time::Instant;

use zomma_base::{OptionType, Status};
use zomma_learn::{
    LearnError,
    config::{PricingModel, TrainConfig},
    data::PointSet,
    inference::Pricer,
    training::{Quotes, TrainedNetwork, Trainer},
};
use zomma_pricing::{
    american::{self, Accuracy},
    black::{self, RowColumns},
    fourier::{self, Columns, Heston, Model},
    implied_vol::{self, PriceColumns},
};

/// Rows of a batch.
const ROWS: usize = 65_536;
/// The least of so many rounds counts: at least, and at most.
const ROUNDS: (usize, usize) = (7, 25);
/// Seconds after which no more rounds are needed.
const ENOUGH_SECONDS: f64 = 1.0;

/// Nanoseconds an option, all threads, batches of [`ROWS`].
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// By the network.
    pub network_ns: f64,
    /// By who made the labels.
    pub teacher_ns: f64,
    /// Its name.
    pub teacher: &'static str,
}

/// Measures both on the same rows, each with parameters of its own. None for a network with norm or dropout, and for one of a table, which has no teacher.
///
/// # Errors
///
/// Where the rows cannot be made.
pub fn measure(config: &TrainConfig, trainer: &Trainer, network: &TrainedNetwork) -> anyhow::Result<Option<Speed>> {
    if config.data.model.is_table() {
        return Ok(None);
    }
    let rows = rows(config, trainer)?;
    let (mut prices, mut status) = (vec![0.0; ROWS], vec![Status::Ok; ROWS]);
    let (mut said, mut said_status) = (prices.clone(), status.clone());
    let pricer = match config.data.model.is_implied_volatility() {
        false => match Pricer::new(network) {
            Ok(pricer) => Some(pricer),
            Err(_) => return Ok(None),
        },
        true if network.native().is_none() => return Ok(None),
        true => None,
    };
    let mut by_network = || {
        if let Some(pricer) = &pricer {
            pricer.prices(&rows, &mut said, &mut said_status);
        }
    };
    let inputs = config.data.model.input_names().len();
    let column = |j: usize| rows.chunks_exact(inputs).map(|row| row[j]).collect::<Vec<f64>>();
    let (ones, zeros, calls) = (vec![1.0; ROWS], vec![0.0; ROWS], vec![OptionType::Call; ROWS]);
    let [spot, expiry_years, volatility] = [0, 1, 2].map(column);
    let (teacher, [network_ns, teacher_ns]) = match config.data.model {
        PricingModel::Table => return Ok(None),
        PricingModel::BlackScholes => {
            let rows = RowColumns {
                option_type: &calls,
                spot: &spot,
                strike: &ones,
                expiry_years: &expiry_years,
                risk_free_rate: &zeros,
                dividend_yield: &zeros,
                volatility: &volatility,
            };
            let mut by_teacher = || black::price(&rows, black::Model::Black76, &mut prices, &mut status);
            ("closed form", least([&mut by_network, &mut by_teacher]))
        }
        PricingModel::Heston => {
            let heston = |row: &[f64]| {
                Model::Heston(Heston { v0: row[2], kappa: row[3], theta_v: row[4], sigma_v: row[5], rho_v: row[6] })
            };
            let model: Vec<Model> = rows.chunks_exact(inputs).map(heston).collect();
            let columns = Columns {
                model: &model,
                option_type: &calls,
                spot: &spot,
                strike: &ones,
                expiry_years: &expiry_years,
                risk_free_rate: &zeros,
                dividend_yield: &zeros,
            };
            let mut by_teacher = || fourier::price_batch(&columns, &mut prices, &mut status);
            ("Fourier series", least([&mut by_network, &mut by_teacher]))
        }
        PricingModel::American => {
            let [risk_free_rate, dividend_yield] = [3, 4].map(column);
            let rows = RowColumns {
                option_type: &calls,
                spot: &spot,
                strike: &ones,
                expiry_years: &expiry_years,
                risk_free_rate: &risk_free_rate,
                dividend_yield: &dividend_yield,
                volatility: &volatility,
            };
            let mut by_teacher = || american::price_batch(&rows, Accuracy::fast(), &mut prices, &mut status);
            ("collocation", least([&mut by_network, &mut by_teacher]))
        }
        PricingModel::BlackScholesImpliedVolatility => {
            let option_type: Vec<OptionType> =
                spot.iter().map(|m| if *m < 1.0 { OptionType::Call } else { OptionType::Put }).collect();
            // The third input is the price over √(forward·strike).
            let price: Vec<f64> = spot.iter().zip(&volatility).map(|(m, price)| price * m.sqrt()).collect();
            // As a user asks: with the bounds of every row checked.
            let quotes = Quotes {
                option_type: &option_type,
                forward: &spot,
                strike: &ones,
                expiry_years: &expiry_years,
                price: &price,
            };
            network.implied_volatilities(&quotes, &config.data, &mut prices, &mut status)?;
            let (mut found, mut found_status) = (prices.clone(), status.clone());
            let mut by_network = || {
                // It was refused above if it is to be refused at all.
                let _ = network.implied_volatilities(&quotes, &config.data, &mut found, &mut found_status);
            };
            let rows = PriceColumns {
                option_type: &option_type,
                forward: &spot,
                strike: &ones,
                expiry_years: &expiry_years,
                discount_factor: &ones,
                price: &price,
            };
            let mut by_teacher = || implied_vol::implied_volatility(&rows, &mut prices, &mut status);
            ("solver", least([&mut by_network, &mut by_teacher]))
        }
    };
    Ok(Some(Speed { network_ns, teacher_ns, teacher }))
}

/// Inputs of rows over the domain, each with parameters of its own: those to learn from may share them.
fn rows(config: &TrainConfig, trainer: &Trainer) -> Result<Vec<f64>, LearnError> {
    if config.data.model.is_implied_volatility() {
        return Ok(trainer.examples(ROWS)?.inputs);
    }
    let points = PointSet::held_out(&config.data);
    let inputs = config.data.model.input_names().len();
    let mut rows = vec![0.0; ROWS * inputs];
    rows.chunks_exact_mut(inputs).enumerate().for_each(|(i, row)| points.point(i as u64, row));
    Ok(rows)
}

/// Nanoseconds an option by network and teacher, by turns: what else the machine does as training ends meets both.
fn least<'a>(mut both: [&'a mut (dyn FnMut() + 'a); 2]) -> [f64; 2] {
    let begun = Instant::now();
    let mut least = [f64::INFINITY; 2];
    for round in 0..ROUNDS.1 {
        if round >= ROUNDS.0 && begun.elapsed().as_secs_f64() > ENOUGH_SECONDS {
            break;
        }
        for (least, run) in least.iter_mut().zip(&mut both) {
            let begun = Instant::now();
            run();
            *least = least.min(begun.elapsed().as_nanos() as f64 / ROWS as f64);
        }
    }
    least
}
