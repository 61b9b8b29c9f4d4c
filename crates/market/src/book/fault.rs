//! What a book set does with events that cannot be applied: each is counted by its reason and handled by the rule that stands at the reason.

/// Why an event could not be applied as it was told, and what was done instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fault {
    /// A modify, cancel or execution of an order that does not rest here. Nothing changes.
    UnknownOrder,
    /// A new order whose number already rests here: the resting one stays, the new one is left out. A modify to a number that already rests here:
    /// the modified order leaves.
    DuplicateOrder,
    /// A cancel of more than is left: the order leaves.
    CancelTooLarge,
    /// An execution of more than is left: the order leaves.
    ExecuteTooLarge,
    /// A new order, a cancel or an execution of size 0: nothing changes. A modify to size 0: the order leaves.
    ZeroSize,
    /// An order or a level without a price. A modify leaves the order as it was; others are left out.
    NoPrice,
    /// A price would hold more than 2⁶⁴ − 1 lots: the order is left out, or leaves where it was modified.
    SizeOverflow,
    /// An order at a price that the feed told as a level, or a level at a price where orders rest: the newcomer is left out (an order leaves where
    /// it was modified).
    Mixed,
    /// The number of the instrument is not below [`Limits::instruments`](super::Limits::instruments). Nothing changes.
    TooManyInstruments,
    /// [`Limits::orders`](super::Limits::orders) orders or levels are there already. The newcomer is left out.
    TooManyOrders,
}

impl Fault {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::UnknownOrder,
        Self::DuplicateOrder,
        Self::CancelTooLarge,
        Self::ExecuteTooLarge,
        Self::ZeroSize,
        Self::NoPrice,
        Self::SizeOverflow,
        Self::Mixed,
        Self::TooManyInstruments,
        Self::TooManyOrders,
    ];

    /// The reason as a column or JSON field is named.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownOrder => "unknown_order",
            Self::DuplicateOrder => "duplicate_order",
            Self::CancelTooLarge => "cancel_too_large",
            Self::ExecuteTooLarge => "execute_too_large",
            Self::ZeroSize => "zero_size",
            Self::NoPrice => "no_price",
            Self::SizeOverflow => "size_overflow",
            Self::Mixed => "mixed",
            Self::TooManyInstruments => "too_many_instruments",
            Self::TooManyOrders => "too_many_orders",
        }
    }
}

/// How often each [`Fault`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts {
    pub(super) by_reason: [u64; Fault::ALL.len()],
}

impl FaultCounts {
    /// How often one came.
    pub fn of(&self, fault: Fault) -> u64 {
        self.by_reason[fault as usize]
    }

    /// How many came.
    pub fn total(&self) -> u64 {
        self.by_reason.iter().sum()
    }

    /// Those that came, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL.into_iter().zip(self.by_reason).filter(|(_, count)| *count > 0)
    }

    #[cold]
    pub(super) fn count(&mut self, fault: Fault) {
        self.by_reason[fault as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_at_their_numbers_and_have_names_of_their_own() {
        let names: std::collections::HashSet<_> = Fault::ALL.map(Fault::name).into();
        assert_eq!(names.len(), Fault::ALL.len());
        for (number, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, number);
        }
    }

    #[test]
    fn counts_tell_what_came() {
        let mut counts = FaultCounts::default();
        counts.count(Fault::Mixed);
        counts.count(Fault::Mixed);
        counts.count(Fault::TooManyOrders);
        assert_eq!(counts.iter().collect::<Vec<_>>(), [(Fault::Mixed, 2), (Fault::TooManyOrders, 1)]);
        assert_eq!((counts.total(), counts.of(Fault::Mixed), counts.of(Fault::NoPrice)), (3, 2, 0));
    }
}
