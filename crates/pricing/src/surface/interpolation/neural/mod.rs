//! A small neural network that corrects an SSVI backbone.
//!
//! w = w_SSVI · e^{2f}, f a network of two hidden layers of sixteen tanh units over y and τ, trained on the quotes with soft penalties for
//! butterfly and calendar arbitrage on a grid (D. Ackerer, N. Tagasovska and T. Vatter, "Deep smoothing of the implied volatility surface",
//! 2020: prior times network, section 3; their losses (9) and (10)). The penalties hold where they are looked at and no further, so the
//! surface may have arbitrage: [`violations`](crate::surface::violations) says.

mod network;
mod train;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::{
    network::{Network, PARAMETERS},
    train::{Scaling, Training},
};
use super::{
    backbone::Backbone,
    domain::{Domain, thinned},
    knots::{Knots, are_finite, are_positive},
    remarks::{FEWEST_STRIKES, remarks},
};
use crate::surface::{
    SliceQuotes,
    calibration::{Fit, FitError, ModelSettings, Note, Reason},
    jet::Jet,
    smile::{Variance, VolatilitySurface},
    span::positive_years,
};

/// Most quotes that the network is trained on.
pub const POINTS: usize = 500;

/// A surface of a backbone and a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "NeuralForm")]
pub struct Neural {
    /// Where there are quotes.
    pub domain: Domain,
    /// What the network corrects.
    pub backbone: Backbone,
    /// The network's inputs are y and τ less these,
    pub centre: [f64; 2],
    /// over these.
    pub scale: [f64; 2],
    /// Quotes that it was trained on.
    pub points: usize,
    /// Weights and biases: of the first layer by unit, then its biases; of the second likewise; of the output.
    pub parameters: Vec<f64>,
}

/// A surface as it is read.
#[derive(Deserialize)]
struct NeuralForm {
    domain: Domain,
    backbone: Backbone,
    centre: [f64; 2],
    scale: [f64; 2],
    points: usize,
    parameters: Vec<f64>,
}

impl TryFrom<NeuralForm> for Neural {
    type Error = &'static str;

    fn try_from(form: NeuralForm) -> Result<Self, Self::Error> {
        let NeuralForm { domain, backbone, centre, scale, points, parameters } = form;
        if parameters.len() != PARAMETERS {
            return Err("neural: parameters must be as many as the network has");
        }
        if are_positive(&scale) && are_finite(centre.iter().chain(&parameters)) {
            Ok(Self { domain, backbone, centre, scale, points, parameters })
        } else {
            Err("neural: scale must be above 0, centre and parameters finite")
        }
    }
}

impl Neural {
    /// Total variance inside the domain, as a series.
    fn series(&self, k: f64, time: f64) -> Jet {
        let coordinates = self.domain.coordinates(k, time);
        let inputs = [0, 1].map(|i| (coordinates[i] - Jet::constant(self.centre[i])) * (1.0 / self.scale[i]));
        self.backbone.series(k, time) * (Network(&self.parameters).series(inputs) * 2.0).exp()
    }
}

impl VolatilitySurface for Neural {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        self.domain.variance(k, expiry_years, |k, time| self.series(k, time))
    }
}

/// Trains the network on the mids of at most [`POINTS`] quotes, a miss of ln σ counted in the unit of the settings (by default
/// half-spreads). The same quotes give the same network. It starts from the prior's, which Tikhonov's λ draws it to.
///
/// # Errors
/// Where no quote is usable.
pub fn fit(slices: &[SliceQuotes], settings: &ModelSettings, prior: Option<&Neural>) -> Result<Fit<Neural>, FitError> {
    let expiry_years: Vec<f64> = slices.iter().map(|quotes| positive_years(quotes.expiry_years)).collect();
    let knots: Vec<Knots> = slices.par_iter().map(|quotes| Knots::new(quotes, &settings.calibration)).collect();
    if knots.iter().all(|knots| knots.len() == 0) {
        return Err(FitError::NoQuotes);
    }
    let domain = Domain::new(&expiry_years, &knots, &settings.clock);
    let backbone = Backbone::new(slices, &knots, &domain);
    let samples = thinned(&domain, &expiry_years, &knots, POINTS);
    let scaling = prior.map_or_else(
        || {
            let spread = |i: usize| {
                let range = samples.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], it| {
                    [low.min(it.at[i]), high.max(it.at[i])]
                });
                (0.5 * (range[0] + range[1]), (0.5 * (range[1] - range[0])).max(0.1))
            };
            let [(y, y_scale), (tau, tau_scale)] = [spread(0), spread(1)];
            // Twice the range from −1 to 1: the units bend within it.
            Scaling { centre: [y, tau], scale: [0.5 * y_scale, 0.5 * tau_scale] }
        },
        |prior| Scaling { centre: prior.centre, scale: prior.scale },
    );
    let start = prior.map_or_else(Network::start, |prior| prior.parameters.clone());
    let home = prior.map_or_else(|| vec![0.0; PARAMETERS], |prior| prior.parameters.clone());
    let pull = (settings.calibration.estimator, &home[..], settings.calibration.tikhonov.max(0.0));
    let trained = Training::new(&samples, &domain, &backbone, scaling, pull).run(start, prior.is_some());
    let mut notes =
        remarks(slices, &expiry_years, &knots, FEWEST_STRIKES, "the shape of the backbone between and beyond them");
    if !trained.is_settled {
        notes.push(Note { expiry_years: None, reason: Reason::NotConverged { steps: trained.steps } });
    }
    let Scaling { centre, scale } = scaling;
    let (points, parameters) = (samples.len(), trained.parameters);
    Ok(Fit { notes, ..Fit::of(Neural { domain, backbone, centre, scale, points, parameters }) })
}
