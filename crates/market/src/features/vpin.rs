//! VPIN: how one-sided trading is, in time counted by volume.
//!
//! Source: Easley, López de Prado and O'Hara, "Flow toxicity and liquidity in a high-frequency world", Review of Financial Studies 25 (2012),
//! section 1.2 and appendix A.1. Trading is cut into buckets of V lots; a trade that overfills one goes on into the next. With B and S what
//! buyers and sellers began of each bucket, VPIN = Σ|B − S|/(n·V) over the last n full buckets; 0 to 1, no unit. Who began what is told by the
//! venue, or by bulk volume classification: of the volume of a bar of time, the share N(ΔP/σ) was bought, ΔP the change of the last price from
//! bar to bar, σ the standard deviation of all such changes so far, N the normal distribution.

use super::{
    FeatureError, Lots, Trade, Units,
    error::{bad, duration, positive},
    spread::TradeSign,
    window::RollingTotal,
};

/// How it is told who began a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classification {
    /// By the trade's own side, else by the tick test; half and half where neither tells.
    TradeByTrade,
    /// By bulk, in bars of so many nanoseconds (a minute in the paper).
    Bulk {
        /// The length of a bar.
        bar_ns: u64,
    },
}

/// A bar of time under way.
#[derive(Debug, Clone, Copy)]
struct Bar {
    index: u64,
    lots: f64,
    price_ticks: i64,
}

/// VPIN, streaming. A bar's volume is known when a later bar begins.
#[derive(Debug, Clone)]
pub struct Vpin {
    bucket_lots: f64,
    classification: Classification,
    buckets: f64,
    imbalances: RollingTotal,
    value: Option<f64>,
    bought: f64,
    sold: f64,
    signs: TradeSign,
    bar: Option<Bar>,
    last_bar_ticks: Option<i64>,
    changes: f64,
    mean: f64,
    squares: f64,
}

impl Vpin {
    /// Buckets of `bucket_lots`, a window of `buckets` (50 in the paper; 1 to 10,000).
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for a bucket that is not above 0, a window or a bar outside what is allowed.
    pub fn new(bucket_lots: f64, buckets: usize, classification: Classification) -> Result<Self, FeatureError> {
        if !(1..=10_000).contains(&buckets) {
            return Err(bad("buckets", buckets, "1 to 10,000"));
        }
        if let Classification::Bulk { bar_ns } = classification {
            duration("bar_ns", bar_ns)?;
        }
        Ok(Self {
            bucket_lots: positive("bucket_lots", bucket_lots)?,
            classification,
            buckets: buckets as f64,
            imbalances: RollingTotal::new(buckets)?,
            value: None,
            bought: 0.0,
            sold: 0.0,
            signs: TradeSign::new(),
            bar: None,
            last_bar_ticks: None,
            changes: 0.0,
            mean: 0.0,
            squares: 0.0,
        })
    }

    /// Takes the next trade.
    pub fn on_trade(&mut self, trade: &Trade) {
        match self.classification {
            Classification::TradeByTrade => {
                let bought_share = match self.signs.on_trade(trade, None) {
                    Some(1) => 1.0,
                    Some(_) => 0.0,
                    None => 0.5,
                };
                self.fill(trade.size as f64, bought_share);
            }
            Classification::Bulk { bar_ns } => self.bulk(trade, trade.time_ns / bar_ns),
        }
    }

    fn bulk(&mut self, trade: &Trade, index: u64) {
        let fresh = Bar { index, lots: 0.0, price_ticks: trade.price_ticks };
        let bar = match self.bar {
            Some(bar) if bar.index >= index => bar,
            Some(over) => {
                self.close(over);
                fresh
            }
            None => fresh,
        };
        self.bar = Some(Bar { lots: bar.lots + trade.size as f64, price_ticks: trade.price_ticks, ..bar });
    }

    fn close(&mut self, bar: Bar) {
        let change = self.last_bar_ticks.map_or(0.0, |last| (i128::from(bar.price_ticks) - i128::from(last)) as f64);
        if self.last_bar_ticks.is_some() {
            self.changes += 1.0;
            let from_old = change - self.mean;
            self.mean += from_old / self.changes;
            self.squares += from_old * (change - self.mean);
        }
        self.last_bar_ticks = Some(bar.price_ticks);
        let deviation = if self.changes >= 2.0 { (self.squares / (self.changes - 1.0)).sqrt() } else { 0.0 };
        let bought_share = if deviation > 0.0 { normal_cdf(change / deviation) } else { 0.5 };
        self.fill(bar.lots, bought_share);
    }

    fn fill(&mut self, lots: f64, bought_share: f64) {
        let mut left = lots;
        let room = |vpin: &Self| vpin.bucket_lots - (vpin.bought + vpin.sold);
        while left >= room(self) {
            let taken = room(self);
            left -= taken;
            self.bought += taken * bought_share;
            let bought_less_sold = self.bought - (self.bucket_lots - self.bought);
            self.imbalances.push(bought_less_sold.abs());
            (self.bought, self.sold) = (0.0, 0.0);
            // A trade that fills the whole window several times over says the same each time.
            let window = self.bucket_lots * self.buckets;
            if left > 2.0 * window {
                left = window + left % self.bucket_lots;
            }
            // A running sum may leave a rounding error below 0.
            self.value = self.imbalances.sum().map(|sum| sum.max(0.0) / window);
        }
        self.bought += left * bought_share;
        self.sold += left * (1.0 - bought_share);
    }

    /// Of the last full buckets; `None` before there are as many as the window has.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        self.value
    }
}

/// N(x).
fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// VPIN whose bucket may be told in the currency: it is made when the first trade tells a price.
#[derive(Debug, Clone)]
pub struct StreamingVpin {
    bucket: Lots,
    units: Units,
    buckets: usize,
    classification: Classification,
    vpin: Option<Vpin>,
}

impl StreamingVpin {
    /// As [`Vpin::new`], with a bucket of so much.
    ///
    /// # Errors
    ///
    /// Those of [`Vpin::new`].
    pub fn new(
        bucket: Lots,
        units: Units,
        buckets: usize,
        classification: Classification,
    ) -> Result<Self, FeatureError> {
        let (Lots::Lots(amount) | Lots::Value(amount)) = bucket;
        let vpin = Vpin::new(positive("bucket", amount)?, buckets, classification)?;
        let vpin = matches!(bucket, Lots::Lots(_)).then_some(vpin);
        Ok(Self { bucket, units, buckets, classification, vpin })
    }

    /// Takes the next trade.
    pub fn on_trade(&mut self, trade: &Trade) {
        if self.vpin.is_none() {
            let lots = self.bucket.at(trade.price_ticks, self.units);
            self.vpin = Vpin::new(lots, self.buckets, self.classification).ok();
        }
        if let Some(vpin) = &mut self.vpin {
            vpin.on_trade(trade);
        }
    }

    /// Of the last full buckets; `None` before there are as many as the window has.
    pub fn value(&self) -> Option<f64> {
        self.vpin.as_ref()?.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Side;
    use proptest::prelude::*;

    fn trade(time_ns: u64, price_ticks: i64, size: u64, resting_side: Option<Side>) -> Trade {
        Trade { time_ns, price_ticks, size, resting_side }
    }

    #[test]
    fn trade_by_trade_by_hand() {
        let mut vpin = Vpin::new(10.0, 2, Classification::TradeByTrade).unwrap();
        vpin.on_trade(&trade(0, 100, 6, Some(Side::Ask)));
        vpin.on_trade(&trade(0, 100, 4, Some(Side::Bid)));
        assert_eq!(vpin.value(), None, "one bucket of two");
        // 10 go into the second bucket and 5 into the third.
        vpin.on_trade(&trade(0, 100, 15, Some(Side::Ask)));
        assert_eq!(vpin.value(), Some((2.0 + 10.0) / 20.0));
        vpin.on_trade(&trade(0, 100, 5, Some(Side::Bid)));
        assert_eq!(vpin.value(), Some((10.0 + 0.0) / 20.0));
    }

    #[test]
    fn bulk_by_hand() {
        // Bars of 10 ns with last prices 100, 102, 102, 98: changes 2, 0, −4. The first bar and the first change have no deviation: halves. Then
        // σ of (2, 0) is √2 and the change 0: half. Then σ of (2, 0, −4) is √(28/3), and N(−4/√(28/3)) = N(−1.30931) = 0.0952155.
        let mut vpin = Vpin::new(10.0, 1, Classification::Bulk { bar_ns: 10 }).unwrap();
        for (bar, price) in [100, 102, 102, 98].into_iter().enumerate() {
            vpin.on_trade(&trade(bar as u64 * 10, price, 10, None));
        }
        assert_eq!(vpin.value(), Some(0.0), "the last bar is not over");
        vpin.on_trade(&trade(40, 98, 1, None));
        let by_hand = 1.0 - 2.0 * 0.095_215_5;
        assert!((vpin.value().unwrap() - by_hand).abs() < 1e-6, "{:?}, by hand {by_hand}", vpin.value());
    }

    #[test]
    fn a_trade_of_any_size_ends() {
        let mut vpin = Vpin::new(1e-3, 50, Classification::TradeByTrade).unwrap();
        vpin.on_trade(&trade(0, 100, u64::MAX, Some(Side::Ask)));
        assert!((vpin.value().unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn parameters_out_of_range_are_told() {
        let message = |lots, buckets, how| Vpin::new(lots, buckets, how).unwrap_err().to_string();
        assert_eq!(message(0.0, 50, Classification::TradeByTrade), "bucket_lots 0; allowed: a finite number above 0");
        assert_eq!(message(1.0, 0, Classification::TradeByTrade), "buckets 0; allowed: 1 to 10,000");
        let bar = message(1.0, 50, Classification::Bulk { bar_ns: 0 });
        assert_eq!(bar, "bar_ns 0; allowed: 1 ns to one day (86,400,000,000,000 ns)");
    }

    proptest! {
        #[test]
        fn streaming_is_the_share_counted_lot_by_lot(trades in prop::collection::vec((1u64..40, any::<bool>()), 1..80), bucket in 1u64..30, buckets in 1usize..6) {
            let mut vpin = Vpin::new(bucket as f64, buckets, Classification::TradeByTrade).unwrap();
            let mut lots: Vec<f64> = Vec::new();
            for (size, bought) in trades {
                vpin.on_trade(&trade(0, 100, size, Some(if bought { Side::Ask } else { Side::Bid })));
                lots.extend(std::iter::repeat_n(if bought { 1.0 } else { -1.0 }, size as usize));
                let full: Vec<f64> = lots.chunks_exact(bucket as usize).map(|bucket| bucket.iter().sum::<f64>().abs()).collect();
                let by_definition = full.len().checked_sub(buckets).map(|first| full[first..].iter().sum::<f64>() / (buckets as f64 * bucket as f64));
                prop_assert_eq!(vpin.value(), by_definition);
            }
        }
    }
}
