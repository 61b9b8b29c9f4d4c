//! A quantised network as a file: a header in JSON, the numbers that stay f32, the integers, a checksum; written whole or not at all.
//!
//! Layout  `ZOMMAQNT`, then little-endian: format version u32; header's length u64, header (UTF-8 JSON); number of f32 u64 and these:
//!         for each tensor of the layout in its order the tensor, but for a quantised layer's weights its weight scales; number of int8
//!         u64 and these: the quantised layers' weights one after the other; FNV-1a of all bytes before, u64

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::quantise::MOST_UNITS;
use super::{ActivationScale, QuantisationErrors, QuantisedLayer};
use crate::LearnError;
use crate::config::DataConfig;
use crate::network::Architecture;
use crate::training::{Evaluation, TrainedNetwork, fnv, write_whole};

/// What a file begins with.
pub(crate) const MAGIC: &[u8; 8] = b"ZOMMAQNT";
/// The version of the layout and of the header.
const VERSION: u32 = 1;
const CUT: &str = "is cut off or damaged";

/// A network with integer layers.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedNetwork {
    /// The network with the quantised layers' weights as what their integers stand for, and their corrected biases: what stays f32 is
    /// read here. Its evaluation is that of the f32 network from which it was made.
    pub network: TrainedNetwork,
    /// The layers in integers: all hidden layers but the first.
    pub layers: Vec<QuantisedLayer>,
    /// What was lost.
    pub errors: QuantisationErrors,
}

#[derive(Serialize, Deserialize)]
struct Header {
    architecture: Architecture,
    step: u64,
    evaluation: Option<Evaluation>,
    data: Option<DataConfig>,
    activations: Vec<ActivationScale>,
    errors: QuantisationErrors,
}

impl QuantisedNetwork {
    /// Writes it, whole or not at all.
    ///
    /// Errors: [`LearnError::File`].
    pub fn write(&self, path: &Path) -> Result<(), LearnError> {
        let TrainedNetwork { architecture, parameters, step, evaluation, data, .. } = &self.network;
        let header = Header {
            architecture: architecture.clone(),
            step: *step,
            evaluation: evaluation.clone(),
            data: data.clone(),
            activations: self.layers.iter().map(|layer| layer.activation).collect(),
            errors: self.errors.clone(),
        };
        let header = serde_json::to_vec(&header).map_err(|error| LearnError::file(path, error))?;
        let layout = architecture.layout();
        let mut numbers = Vec::new();
        for (l, places) in layout.hidden.iter().enumerate() {
            match l.checked_sub(1).and_then(|l| self.layers.get(l)) {
                Some(layer) => numbers.extend_from_slice(&layer.weight_scales),
                None => numbers.extend_from_slice(places.weight.of(parameters)),
            }
            numbers.extend_from_slice(places.bias.of(parameters));
        }
        numbers.extend_from_slice(layout.out_weight.of(parameters));
        numbers.extend_from_slice(layout.out_bias.of(parameters));
        let integers: Vec<u8> = self.layers.iter().flat_map(|layer| layer.weights.iter().map(|w| *w as u8)).collect();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&(numbers.len() as u64).to_le_bytes());
        numbers.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
        bytes.extend_from_slice(&(integers.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&integers);
        let sum = fnv(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        write_whole(path, &bytes)
    }

    /// Reads one.
    ///
    /// Errors: [`LearnError::File`] with what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, LearnError> {
        let bytes = fs::read(path).map_err(|error| LearnError::file(path, format!("cannot be read: {error}")))?;
        decode(&bytes).map_err(|reason| LearnError::file(path, reason))
    }

    /// Whether a file begins as a quantised network does; false of one that cannot be read.
    pub fn is_at(path: &Path) -> bool {
        use std::io::Read;
        let mut begin = [0; MAGIC.len()];
        fs::File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == *MAGIC
    }
}

/// The bytes that are left, taken from the front.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let count = usize::try_from(count).ok().filter(|count| *count <= self.0.len()).ok_or(CUT)?;
        let (taken, after) = self.0.split_at(count);
        self.0 = after;
        Ok(taken)
    }

    fn count(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().unwrap_or_default()))
    }
}

/// Numbers that are left, taken from the front.
struct Numbers<T>(std::vec::IntoIter<T>);

impl<T> Numbers<T> {
    fn take(&mut self, count: usize) -> Result<Vec<T>, String> {
        let taken: Vec<T> = self.0.by_ref().take(count).collect();
        if taken.len() < count {
            Err("has not as many numbers as its network has parameters".into())
        } else {
            Ok(taken)
        }
    }
}

fn decode(bytes: &[u8]) -> Result<QuantisedNetwork, String> {
    if !bytes.starts_with(MAGIC) {
        return Err("is not a quantised network of zomma".into());
    }
    let mut rest = Rest(&bytes[MAGIC.len()..]);
    let version = rest.take(4)?;
    if version != VERSION.to_le_bytes() {
        let found = u32::from_le_bytes(version.try_into().unwrap_or_default());
        return Err(format!("is of version {found}: this program reads version {VERSION}"));
    }
    let (body, sum) = bytes.split_at(bytes.len() - 8);
    if fnv(body).to_le_bytes() != sum {
        return Err(format!("{CUT}: its checksum does not fit"));
    }
    let length = rest.count()?;
    let Header { architecture, step, evaluation, data, activations, errors } =
        serde_json::from_slice(rest.take(length)?)
            .map_err(|error| format!("has a header that cannot be read: {error}"))?;
    let count = rest.count()?;
    let numbers = rest.take(count.checked_mul(4).ok_or(CUT)?)?.chunks_exact(4);
    let numbers: Vec<f32> = numbers.map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect();
    let mut numbers = Numbers(numbers.into_iter());
    let count = rest.count()?;
    let integers: Vec<i8> = rest.take(count)?.iter().map(|w| *w as i8).collect();
    let mut integers = Numbers(integers.into_iter());
    architecture.check()?;
    if !architecture.is_plain() || activations.len() + 1 != architecture.depth {
        return Err("has a header of another network".into());
    }
    let is_known = |it: &ActivationScale| {
        let fits = it.bits == 8 || architecture.width <= MOST_UNITS;
        matches!(it.bits, 8 | 16) && fits && it.scale > 0.0 && it.scale.is_finite() && it.zero_point <= it.most()
    };
    if !activations.iter().all(is_known) {
        return Err(format!(
            "has activations of other than 8 bits, or 16 of at most {MOST_UNITS} units, or without a scale"
        ));
    }
    let layout = architecture.layout();
    let mut parameters = vec![0.0; layout.parameters()];
    let mut layers = Vec::new();
    for (l, places) in layout.hidden.iter().enumerate() {
        let [inputs, units] = places.weight.shape;
        let quantised = l.checked_sub(1).map(|l| activations[l]);
        if let Some(activation) = quantised {
            let weight_scales = numbers.take(units)?;
            let bias = numbers.take(units)?;
            let weights = integers.take(inputs * units)?;
            let layer = QuantisedLayer { layer: l, inputs, units, activation, weights, weight_scales, bias };
            places.weight.of_mut(&mut parameters).copy_from_slice(&layer.dequantised_weights());
            places.bias.of_mut(&mut parameters).copy_from_slice(&layer.bias);
            layers.push(layer);
        } else {
            places.weight.of_mut(&mut parameters).copy_from_slice(&numbers.take(inputs * units)?);
            places.bias.of_mut(&mut parameters).copy_from_slice(&numbers.take(units)?);
        }
    }
    for place in [&layout.out_weight, &layout.out_bias] {
        place.of_mut(&mut parameters).copy_from_slice(&numbers.take(place.len())?);
    }
    let network = TrainedNetwork { architecture, parameters, statistics: Vec::new(), step, evaluation, data };
    Ok(QuantisedNetwork { network, layers, errors })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NetworkConfig, PricingModel};
    use crate::network::Features;

    /// A network whose integers are made up.
    fn network() -> QuantisedNetwork {
        let config = NetworkConfig { width: 5, depth: 3, ..NetworkConfig::default() };
        let model = PricingModel::BlackScholes;
        let features = Features::unscaled(model, model.default_features().to_vec());
        let architecture = Architecture::new(&config, features);
        let layout = architecture.layout();
        let mut parameters = layout.first_parameters(1.0, 3);
        let layers: Vec<QuantisedLayer> = [1, 2]
            .into_iter()
            .map(|layer| QuantisedLayer {
                layer,
                inputs: 5,
                units: 5,
                activation: ActivationScale { bits: 8 * layer as u32, scale: 0.25, zero_point: 7 },
                weights: (0..25).map(|i| (i * 10 - 125 + layer as i32) as i8).collect(),
                weight_scales: (1..6).map(|i| i as f32 / 64.0).collect(),
                bias: (1..6).map(|i| i as f32 / 7.0).collect(),
            })
            .collect();
        for layer in &layers {
            let places = &layout.hidden[layer.layer];
            places.weight.of_mut(&mut parameters).copy_from_slice(&layer.dequantised_weights());
            places.bias.of_mut(&mut parameters).copy_from_slice(&layer.bias);
        }
        let network =
            TrainedNetwork { architecture, parameters, statistics: Vec::new(), step: 9, evaluation: None, data: None };
        QuantisedNetwork { network, layers, errors: QuantisationErrors { rows: 3, ..QuantisationErrors::default() } }
    }

    #[test]
    fn what_is_written_is_read_and_every_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network.bin");
        let network = network();
        network.write(&path).unwrap();
        assert!(QuantisedNetwork::is_at(&path));
        assert_eq!(QuantisedNetwork::read(&path).unwrap(), network);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(decode(&damaged).is_err(), "{at}");
        }
        network.network.write(&path).unwrap();
        assert!(!QuantisedNetwork::is_at(&path));
        let error = QuantisedNetwork::read(&path).unwrap_err().to_string();
        assert!(error.contains("is not a quantised network"), "{error}");
    }
}
