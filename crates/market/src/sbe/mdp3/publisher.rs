//! Writes packets of MDP 3.0, so that a simulated exchange speaks it.

use super::{
    ladder::UpdateAction,
    packet::{PACKET_HEADER_BYTES, SIZE_BYTES},
    security::OrderAction,
    templates::field,
};
use crate::sbe::{BlockPlace, Encoding, Exponent, Field, Group, Message, SbeError, Schema, Value, Writer};

/// What an entry of a book is of: `MDEntryTypeBook`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryType {
    /// A bid.
    Bid = b'0',
    /// An offer.
    Offer = b'1',
    /// A bid that other instruments' orders imply.
    ImpliedBid = b'E',
    /// An offer that other instruments' orders imply.
    ImpliedOffer = b'F',
    /// The book is empty from now on.
    BookReset = b'J',
}

/// An entry of template 46.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookEntry {
    /// The venue's number of the instrument.
    pub security_id: i32,
    /// The number of the instrument's report.
    pub report: u32,
    /// Which side of which book.
    pub entry_type: EntryType,
    /// What happens to the level.
    pub action: UpdateAction,
    /// The level from 1.
    pub level: u8,
    /// The price in billionths, before the display factor; `None` for null.
    pub price_nanos: Option<i64>,
    /// All that rests there.
    pub size: Option<i32>,
    /// How many orders that is.
    pub orders: Option<i32>,
}

/// An order: of template 46 behind one of its entries, or of template 47.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderEntry {
    /// The venue's number of the order.
    pub order_id: u64,
    /// Its place in the queue: the lowest is first.
    pub priority: u64,
    /// What it shows; `None` where it is gone.
    pub size: Option<i32>,
    /// What happens to it.
    pub action: OrderAction,
    /// In template 46: which of the message's entries it is behind, from 1.
    pub reference: u8,
    /// In template 47: the instrument.
    pub security_id: i32,
    /// In template 47: the side.
    pub entry_type: EntryType,
    /// In template 47: the price in billionths.
    pub price_nanos: Option<i64>,
}

/// A trade of template 48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradeEntry {
    /// The venue's number of the instrument.
    pub security_id: i32,
    /// The number of the instrument's report.
    pub report: u32,
    /// The price in billionths.
    pub price_nanos: i64,
    /// What was traded.
    pub size: i32,
    /// Whether who bought took from the book (`Some(true)`), who sold, or neither.
    pub buyer_aggressed: Option<bool>,
}

/// What stands before the levels or orders of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The last packet of the incremental feed that it holds.
    pub processed: u32,
    /// The venue's number of the instrument.
    pub security_id: i32,
    /// The number of the instrument's last report, in template 52.
    pub report: u32,
    /// When the book last changed, in nanoseconds since the Unix epoch.
    pub transact_ns: u64,
    /// `MDSecurityTradingStatus`, in template 52.
    pub status: Option<u8>,
    /// Which piece this is and of how many, in template 53.
    pub chunk: (u32, u32),
}

/// An order of a snapshot: template 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotOrder {
    /// The venue's number of the order.
    pub order_id: u64,
    /// Its place in the queue: the lowest is first.
    pub priority: u64,
    /// Its price in billionths.
    pub price_nanos: i64,
    /// What it shows.
    pub size: i32,
    /// Its side.
    pub entry_type: EntryType,
}

/// A definition: template 54 of a future, 55 of an option. Fields that are not here are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition<'d> {
    /// The venue's number of the instrument.
    pub security_id: i32,
    /// Its name, up to 20 bytes.
    pub symbol: &'d str,
    /// Its group, up to 6 bytes.
    pub group: &'d str,
    /// Its asset, up to 6 bytes.
    pub asset: &'d str,
    /// The least step of its price in billionths.
    pub increment_nanos: Option<i64>,
    /// What its prices are to be multiplied by to be shown, in billionths.
    pub factor_nanos: i64,
    /// How many levels its book has.
    pub depth: i8,
    /// Since when it is as it is, in nanoseconds since the Unix epoch.
    pub updated_ns: u64,
    /// Of an option: its strike in billionths, and whether it is a put.
    pub option: Option<(i64, bool)>,
}

/// Writes one packet: its header, then the messages that are asked for.
///
/// `event` is `MatchEventIndicator`: bit 2 with the last quotes of an event, bit 7 with its last message.
#[derive(Debug)]
pub struct PacketWriter<'a> {
    schema: &'a Schema,
    out: &'a mut Vec<u8>,
}

impl<'a> PacketWriter<'a> {
    /// Begins a packet at the end of bytes.
    pub fn new(schema: &'a Schema, sequence: u32, sending_ns: u64, out: &'a mut Vec<u8>) -> Self {
        out.reserve(PACKET_HEADER_BYTES);
        out.extend_from_slice(&sequence.to_le_bytes());
        out.extend_from_slice(&sending_ns.to_le_bytes());
        Self { schema, out }
    }

    /// A heartbeat: template 12.
    ///
    /// # Errors
    ///
    /// [`SbeError`], here and below, where the schema lacks the template, a part of it, or cannot hold a value; nothing is written then.
    pub fn heartbeat(&mut self) -> Result<(), SbeError> {
        self.message(12, |_, _| Ok(()))
    }

    /// Every book of the channel is empty from now on: template 4.
    ///
    /// # Errors
    ///
    /// As [`PacketWriter::heartbeat`].
    pub fn channel_reset(&mut self, transact_ns: u64, event: u8, application: i16) -> Result<(), SbeError> {
        self.message(4, |form, writer| {
            form.when(writer, transact_ns, event)?;
            form.group(writer, field::ENTRIES, &[application], |entry, application| {
                entry.put(field::APPLICATION, Value::Int((*application).into()))
            })
        })
    }

    /// An instrument trades, or does not: template 30. Without a security, all of the group.
    ///
    /// # Errors
    ///
    /// As [`PacketWriter::heartbeat`].
    pub fn status(
        &mut self,
        transact_ns: u64,
        event: u8,
        (group, asset, security_id): (&str, &str, Option<i32>),
        status: u8,
    ) -> Result<(), SbeError> {
        self.message(30, |form, writer| {
            form.when(writer, transact_ns, event)?;
            form.put(writer, field::SECURITY_GROUP, Value::Text(group.as_bytes()))?;
            form.put(writer, field::ASSET, Value::Text(asset.as_bytes()))?;
            form.put(writer, field::SECURITY, security_id.map_or(Value::Null, |id| Value::Int(id.into())))?;
            form.put(writer, field::STATUS, Value::Uint(status.into()))
        })
    }

    /// Levels that change, and the orders behind them: template 46.
    ///
    /// # Errors
    ///
    /// As [`PacketWriter::heartbeat`].
    pub fn book(
        &mut self,
        transact_ns: u64,
        event: u8,
        entries: &[BookEntry],
        orders: &[OrderEntry],
    ) -> Result<(), SbeError> {
        self.message(46, |form, writer| {
            form.when(writer, transact_ns, event)?;
            form.group(writer, field::ENTRIES, entries, |entry, level| {
                entry.price(level.price_nanos)?;
                entry.put(field::ENTRY_SIZE, int(level.size))?;
                entry.put(field::SECURITY, Value::Int(level.security_id.into()))?;
                entry.put(field::REPORT, Value::Uint(level.report.into()))?;
                entry.put(field::NUMBER_OF_ORDERS, int(level.orders))?;
                entry.put(field::PRICE_LEVEL, Value::Uint(level.level.into()))?;
                entry.put(field::ACTION, Value::Uint(level.action as u64))?;
                entry.put(field::ENTRY_TYPE, Value::Uint(level.entry_type as u64))
            })?;
            form.group(writer, field::ORDERS, orders, |entry, order| {
                entry.put(field::ORDER, Value::Uint(order.order_id))?;
                entry.put(field::PRIORITY, Value::Uint(order.priority))?;
                entry.put(field::DISPLAY_SIZE, int(order.size))?;
                entry.put(field::REFERENCE, Value::Uint(order.reference.into()))?;
                entry.put(field::ORDER_ACTION, Value::Uint(order.action as u64))
            })
        })
    }

    /// Orders that change: template 47.
    ///
    /// # Errors
    ///
    /// As [`PacketWriter::heartbeat`].
    pub fn orders(&mut self, transact_ns: u64, event: u8, orders: &[OrderEntry]) -> Result<(), SbeError> {
        self.message(47, |form, writer| {
            form.when(writer, transact_ns, event)?;
            form.group(writer, field::ENTRIES, orders, |entry, order| {
                entry.put(field::ORDER, Value::Uint(order.order_id))?;
                entry.put(field::PRIORITY, Value::Uint(order.priority))?;
                entry.price(order.price_nanos)?;
                entry.put(field::DISPLAY_SIZE, int(order.size))?;
                entry.put(field::SECURITY, Value::Int(order.security_id.into()))?;
                entry.put(field::ACTION, Value::Uint(order.action as u64))?;
                entry.put(field::ENTRY_TYPE, Value::Uint(order.entry_type as u64))
            })
        })
    }

    /// Trades: template 48.
    ///
    /// # Errors
    ///
    /// As [`PacketWriter::heartbeat`].
    pub fn trades(&mut self, transact_ns: u64, event: u8, trades: &[TradeEntry]) -> Result<(), SbeError> {
        self.message(48, |form, writer| {
            form.when(writer, transact_ns, event)?;
            form.group(writer, field::ENTRIES, trades, |entry, trade| {
                entry.price(Some(trade.price_nanos))?;
                entry.put(field::ENTRY_SIZE, Value::Int(trade.size.into()))?;
                entry.put(field::SECURITY, Value::Int(trade.security_id.into()))?;
                entry.put(field::REPORT, Value::Uint(trade.report.into()))?;
                let aggressor = trade.buyer_aggressed.map_or(0, |buyer| if buyer { 1 } else { 2 });
                entry.put(field::AGGRESSOR, Value::Uint(aggressor))
            })?;
            form.group::<()>(writer, field::ORDERS, &[], |_, ()| Ok(()))
        })
    }

    /// All levels of an instrument, each with its side, its number, price and size: template 52.
    ///
    /// # Errors
    ///
    /// As [`PacketWriter::heartbeat`].
    pub fn level_snapshot(
        &mut self,
        head: &SnapshotHead,
        levels: &[(EntryType, i8, i64, i32)],
    ) -> Result<(), SbeError> {
        self.message(52, |form, writer| {
            form.snapshot(writer, head)?;
            form.put(writer, field::REPORT, Value::Uint(head.report.into()))?;
            let status = head.status.map_or(Value::Null, |status| Value::Uint(status.into()));
            form.put(writer, field::SECURITY_STATUS, status)?;
            form.group(writer, field::ENTRIES, levels, |entry, (entry_type, level, price, size)| {
                entry.price(Some(*price))?;
                entry.put(field::ENTRY_SIZE, Value::Int((*size).into()))?;
                entry.put(field::PRICE_LEVEL, Value::Int((*level).into()))?;
                entry.put(field::ENTRY_TYPE, Value::Uint(*entry_type as u64))
            })
        })
    }

    /// A piece of all orders of an instrument: template 53.
    ///
    /// # Errors
    ///
    /// As [`PacketWriter::heartbeat`].
    pub fn order_snapshot(&mut self, head: &SnapshotHead, orders: &[SnapshotOrder]) -> Result<(), SbeError> {
        self.message(53, |form, writer| {
            form.snapshot(writer, head)?;
            form.put(writer, field::CHUNK, Value::Uint(head.chunk.0.into()))?;
            form.put(writer, field::CHUNKS, Value::Uint(head.chunk.1.into()))?;
            form.group(writer, field::ENTRIES, orders, |entry, order| {
                entry.put(field::ORDER, Value::Uint(order.order_id))?;
                entry.put(field::PRIORITY, Value::Uint(order.priority))?;
                entry.price(Some(order.price_nanos))?;
                entry.put(field::DISPLAY_SIZE, Value::Int(order.size.into()))?;
                entry.put(field::ENTRY_TYPE, Value::Uint(order.entry_type as u64))
            })
        })
    }

    /// What an instrument is: template 54, or 55 where it is an option.
    ///
    /// # Errors
    ///
    /// As [`PacketWriter::heartbeat`].
    pub fn definition(&mut self, definition: &Definition<'_>) -> Result<(), SbeError> {
        const PUT_OR_CALL: u16 = 201;
        const STRIKE: u16 = 202;
        self.message(if definition.option.is_some() { 55 } else { 54 }, |form, writer| {
            form.put(writer, field::SECURITY_UPDATE, Value::Uint(b'A'.into()))?;
            form.put(writer, field::LAST_UPDATE, Value::Uint(definition.updated_ns))?;
            form.put(writer, field::SECURITY_GROUP, Value::Text(definition.group.as_bytes()))?;
            form.put(writer, field::ASSET, Value::Text(definition.asset.as_bytes()))?;
            form.put(writer, field::SYMBOL, Value::Text(definition.symbol.as_bytes()))?;
            form.put(writer, field::SECURITY, Value::Int(definition.security_id.into()))?;
            form.put(writer, field::INCREMENT, decimal(definition.increment_nanos))?;
            form.put(writer, field::DISPLAY_FACTOR, decimal(Some(definition.factor_nanos)))?;
            if let Some((strike_nanos, is_put)) = definition.option {
                form.put(writer, STRIKE, decimal(Some(strike_nanos)))?;
                form.put(writer, PUT_OR_CALL, Value::Uint(u64::from(!is_put)))?;
            }
            // The groups in the order of the schema, all empty but the one that tells the depth.
            for group in &form.message.block.groups {
                if group.id == field::FEEDS {
                    form.group(writer, group.id, &[definition.depth], |entry, depth| {
                        entry.put(field::FEED_TYPE, Value::Text(b"GBX"))?;
                        entry.put(field::MARKET_DEPTH, Value::Int((*depth).into()))
                    })?;
                } else {
                    writer.group(group, 0)?;
                }
            }
            Ok(())
        })
    }

    /// Writes a message behind its size; takes it back where that fails.
    fn message(
        &mut self,
        id: u16,
        write: impl FnOnce(&Form<'_>, &mut Writer<'_>) -> Result<(), SbeError>,
    ) -> Result<(), SbeError> {
        let schema = self.schema;
        let unknown = SbeError::UnknownTemplate { template: id, schema: schema.id, known: schema.id };
        let message = schema.message(id).ok_or(unknown)?;
        let at = self.out.len();
        self.out.extend_from_slice(&[0; SIZE_BYTES]);
        let mut writer = schema.writer(self.out);
        let block = writer.message(message);
        let written = write(&Form { message, block }, &mut writer);
        let size = self.out.len() - at;
        let written = written.and_then(|()| {
            let refused = || refused(&message.name, size.to_string(), "messages of up to 65535 bytes");
            u16::try_from(size).map_err(|_| refused())
        });
        match written {
            Ok(size) => {
                self.out[at..at + SIZE_BYTES].copy_from_slice(&size.to_le_bytes());
                Ok(())
            }
            Err(error) => {
                self.out.truncate(at);
                Err(error)
            }
        }
    }
}

/// A message that is being written.
struct Form<'m> {
    message: &'m Message,
    block: BlockPlace,
}

/// An entry that is being written.
struct EntryForm<'w, 'a> {
    writer: &'w mut Writer<'a>,
    group: &'w Group,
    place: BlockPlace,
}

impl Form<'_> {
    fn put(&self, writer: &mut Writer<'_>, id: u16, value: Value<'_>) -> Result<(), SbeError> {
        writer.put(self.block, known(self.message.block.field(id), &self.message.name, id)?, value)
    }

    fn when(&self, writer: &mut Writer<'_>, transact_ns: u64, event: u8) -> Result<(), SbeError> {
        self.put(writer, field::TRANSACT, Value::Uint(transact_ns))?;
        self.put(writer, field::INDICATOR, Value::Uint(event.into()))
    }

    fn snapshot(&self, writer: &mut Writer<'_>, head: &SnapshotHead) -> Result<(), SbeError> {
        self.put(writer, field::PROCESSED, Value::Uint(head.processed.into()))?;
        self.put(writer, field::REPORTS, Value::Uint(1))?;
        self.put(writer, field::SECURITY, Value::Int(head.security_id.into()))?;
        self.put(writer, field::TRANSACT, Value::Uint(head.transact_ns))
    }

    fn group<T>(
        &self,
        writer: &mut Writer<'_>,
        id: u16,
        entries: &[T],
        mut write: impl FnMut(&mut EntryForm<'_, '_>, &T) -> Result<(), SbeError>,
    ) -> Result<(), SbeError> {
        let group = self.message.block.group_index(id).map(|index| &self.message.block.groups[index]);
        let group =
            group.ok_or_else(|| refused(&self.message.name, format!("no group {id}"), "the groups of MDP 3.0"))?;
        writer.group(group, entries.len())?;
        for entry in entries {
            let place = writer.entry(group);
            write(&mut EntryForm { writer, group, place }, entry)?;
        }
        Ok(())
    }
}

impl EntryForm<'_, '_> {
    fn put(&mut self, id: u16, value: Value<'_>) -> Result<(), SbeError> {
        let field = known(self.group.block.field(id), &self.group.name, id)?;
        self.writer.put(self.place, field, value)
    }

    fn price(&mut self, nanos: Option<i64>) -> Result<(), SbeError> {
        let field = known(self.group.block.field(field::ENTRY_PRICE), &self.group.name, field::ENTRY_PRICE)?;
        match field.encoding {
            Encoding::Decimal { exponent: Exponent::Constant(-9), .. } => {
                self.writer.put(self.place, field, decimal(nanos))
            }
            _ => Err(refused(&field.name, format!("{:?}", field.encoding), "a decimal of billionths")),
        }
    }
}

fn known<'m>(field: Option<&'m Field>, of: &str, id: u16) -> Result<&'m Field, SbeError> {
    field.ok_or_else(|| refused(of, format!("no field {id}"), "the fields of MDP 3.0"))
}

fn refused(field: &str, value: String, allowed: &str) -> SbeError {
    SbeError::Value { field: field.into(), value, allowed: allowed.into() }
}

fn int(value: Option<i32>) -> Value<'static> {
    value.map_or(Value::Null, |value| Value::Int(value.into()))
}

fn decimal(nanos: Option<i64>) -> Value<'static> {
    nanos.map_or(Value::Null, |mantissa| Value::Decimal { mantissa, exponent: -9 })
}
