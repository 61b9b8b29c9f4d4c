//! Whether the books and a plain one hold the same.

use zomma_market::{
    book::Books,
    event::{InstrumentId, Side},
};

use super::plain::Plain;

/// Panics unless every level of every book, and every queue, is the same.
pub fn assert_same(books: &Books, plain: &Plain) {
    assert_eq!((books.faults().total(), books.orders()), (0, plain.orders.len()), "every order is known");
    for (instrument, sides) in (0..).map(InstrumentId).zip(&plain.sides) {
        let book = books.book(instrument);
        for (side, prices) in [Side::Bid, Side::Ask].into_iter().zip(sides) {
            let mut ours: Vec<_> = book.levels(side).map(|level| (level.price_ticks, level.size)).collect();
            ours.sort_unstable();
            assert!(ours.into_iter().eq(prices.iter().map(|(ticks, price)| (*ticks, price.size))), "levels");
            for (ticks, price) in prices {
                let queue = book.orders_at(side, *ticks).map(|order| order.order_id);
                assert!(queue.eq(price.queue.iter().copied()), "queue of {instrument:?} at {ticks}");
            }
        }
    }
}
