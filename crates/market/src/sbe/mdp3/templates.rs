//! Where the fields that are read lie in the templates of a schema: found once, by the numbers that CME publishes.

use thiserror::Error;

use crate::sbe::{Block, Field, Message, Schema, Slot};

/// Why a schema is not one of MDP 3.0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A template lacks a field that is read.
    #[error("template {template} {name} has no number field {field}; allowed: a schema of CME's MDP 3.0")]
    Field {
        /// The template's number.
        template: u16,
        /// Its name.
        name: String,
        /// The field's number.
        field: u16,
    },
    /// A template lacks a group that is read.
    #[error("template {template} {name} has no group {group}; allowed: a schema of CME's MDP 3.0")]
    Group {
        /// The template's number.
        template: u16,
        /// Its name.
        name: String,
        /// The group's number.
        group: u16,
    },
    /// It has none of the templates.
    #[error("schema {0} has none of the templates 4, 30, 46, 47, 48, 52, 53; allowed: a schema of CME's MDP 3.0")]
    None(u16),
}

/// When a message's event took place, and what of the event ends with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub transact: Slot,
    pub indicator: Slot,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    pub when: When,
    pub security: Slot,
    pub status: Slot,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    pub when: When,
    pub entries: usize,
    pub price: Slot,
    pub size: Slot,
    pub security: Slot,
    pub report: Slot,
    pub level: Slot,
    pub action: Slot,
    pub kind: Slot,
    /// The orders behind the levels, where the template has them.
    pub orders: Option<LevelOrders>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct LevelOrders {
    pub entries: usize,
    pub order: Slot,
    pub size: Slot,
    pub reference: Slot,
    pub action: Slot,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Orders {
    pub when: When,
    pub entries: usize,
    pub order: Slot,
    pub price: Slot,
    pub size: Slot,
    pub security: Slot,
    pub action: Slot,
    pub kind: Slot,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Trades {
    pub when: When,
    pub entries: usize,
    pub price: Slot,
    pub size: Slot,
    pub security: Slot,
    pub report: Slot,
    pub aggressor: Slot,
    pub action: Slot,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct LevelSnapshot {
    pub processed: Slot,
    pub security: Slot,
    pub report: Slot,
    pub transact: Slot,
    pub status: Slot,
    pub entries: usize,
    pub price: Slot,
    pub size: Slot,
    pub level: Slot,
    pub kind: Slot,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct OrderSnapshot {
    pub processed: Slot,
    pub security: Slot,
    pub chunks: Slot,
    pub chunk: Slot,
    pub transact: Slot,
    pub entries: usize,
    pub order: Slot,
    pub priority: Slot,
    pub price: Slot,
    pub size: Slot,
    pub kind: Slot,
}

/// Numbers that no book or trade needs but that count in an instrument's reports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statistics {
    pub entries: usize,
    pub security: Slot,
    pub report: Slot,
}

/// The definition of an instrument; its texts are read by the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition {
    pub security: Slot,
    pub action: Slot,
    pub updated: Slot,
    pub increment: Slot,
    pub factor: Slot,
    /// The group of feeds with the depth of each.
    pub feeds: Option<(usize, Slot)>,
}

/// What is done with a template.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Kind {
    Reset(When),
    Status(Status),
    Levels(Levels),
    Orders(Orders),
    Trades(Trades),
    LevelSnapshot(LevelSnapshot),
    OrderSnapshot(OrderSnapshot),
    Statistics(Statistics),
    Definition(Definition),
    /// Known, and nothing to read in it: heartbeats, logins, news, requests for quotes.
    #[default]
    PassedOver,
}

/// The templates of a schema, by number.
#[derive(Debug, Clone)]
pub(super) struct Templates(Vec<Kind>);

impl Templates {
    pub fn of(schema: &Schema) -> Result<Self, TemplateError> {
        let most = schema.messages().iter().map(|message| usize::from(message.id)).max().unwrap_or(0);
        let mut kinds = vec![Kind::PassedOver; most + 1];
        for message in schema.messages() {
            kinds[usize::from(message.id)] = kind(message)?;
        }
        if kinds.iter().all(|kind| matches!(kind, Kind::PassedOver)) {
            return Err(TemplateError::None(schema.id));
        }
        Ok(Self(kinds))
    }

    #[inline]
    pub fn kind(&self, id: u16) -> &Kind {
        self.0.get(usize::from(id)).unwrap_or(&Kind::PassedOver)
    }
}

/// Numbers of fields.
pub(super) mod field {
    pub const ACTION: u16 = 279;
    pub const AGGRESSOR: u16 = 5797;
    pub const APPLICATION: u16 = 1180;
    pub const ASSET: u16 = 6937;
    pub const CHUNK: u16 = 37710;
    pub const CHUNKS: u16 = 37709;
    pub const DISPLAY_FACTOR: u16 = 9787;
    pub const DISPLAY_SIZE: u16 = 37706;
    pub const ENTRIES: u16 = 268;
    pub const ENTRY_PRICE: u16 = 270;
    pub const ENTRY_SIZE: u16 = 271;
    pub const ENTRY_TYPE: u16 = 269;
    pub const FEEDS: u16 = 1141;
    pub const FEED_TYPE: u16 = 1022;
    pub const INCREMENT: u16 = 969;
    pub const INDICATOR: u16 = 5799;
    pub const LAST_UPDATE: u16 = 779;
    pub const MARKET_DEPTH: u16 = 264;
    pub const NUMBER_OF_ORDERS: u16 = 346;
    pub const ORDER: u16 = 37;
    pub const ORDERS: u16 = 37705;
    pub const ORDER_ACTION: u16 = 37708;
    pub const PRICE_LEVEL: u16 = 1023;
    pub const PRIORITY: u16 = 37707;
    pub const PROCESSED: u16 = 369;
    pub const REFERENCE: u16 = 9633;
    pub const REPORT: u16 = 83;
    pub const REPORTS: u16 = 911;
    pub const SECURITY: u16 = 48;
    pub const SECURITY_GROUP: u16 = 1151;
    pub const SECURITY_STATUS: u16 = 1682;
    pub const SECURITY_UPDATE: u16 = 980;
    pub const STATUS: u16 = 326;
    pub const SYMBOL: u16 = 55;
    pub const TRANSACT: u16 = 60;
}

/// Looks for parts of one template.
struct Finder<'s>(&'s Message);

impl<'s> Finder<'s> {
    fn number(&self, block: &Block, id: u16) -> Result<Slot, TemplateError> {
        block.field(id).and_then(Field::slot).ok_or_else(|| TemplateError::Field {
            template: self.0.id,
            name: self.0.name.clone(),
            field: id,
        })
    }

    fn here(&self, id: u16) -> Result<Slot, TemplateError> {
        self.number(&self.0.block, id)
    }

    fn group(&self, id: u16) -> Result<(usize, &'s Block), TemplateError> {
        let index = self.0.block.group_index(id).ok_or_else(|| TemplateError::Group {
            template: self.0.id,
            name: self.0.name.clone(),
            group: id,
        })?;
        Ok((index, &self.0.block.groups[index].block))
    }

    fn when(&self) -> Result<When, TemplateError> {
        Ok(When { transact: self.here(field::TRANSACT)?, indicator: self.here(field::INDICATOR)? })
    }
}

fn kind(message: &Message) -> Result<Kind, TemplateError> {
    let find = Finder(message);
    Ok(match message.id {
        4 => Kind::Reset(find.when()?),
        30 => Kind::Status(Status {
            when: find.when()?,
            security: find.here(field::SECURITY)?,
            status: find.here(field::STATUS)?,
        }),
        46 => {
            let (entries, entry) = find.group(field::ENTRIES)?;
            let orders = match message.block.group_index(field::ORDERS) {
                None => None,
                Some(entries) => {
                    let entry = &message.block.groups[entries].block;
                    Some(LevelOrders {
                        entries,
                        order: find.number(entry, field::ORDER)?,
                        size: find.number(entry, field::DISPLAY_SIZE)?,
                        reference: find.number(entry, field::REFERENCE)?,
                        action: find.number(entry, field::ORDER_ACTION)?,
                    })
                }
            };
            Kind::Levels(Levels {
                when: find.when()?,
                entries,
                price: find.number(entry, field::ENTRY_PRICE)?,
                size: find.number(entry, field::ENTRY_SIZE)?,
                security: find.number(entry, field::SECURITY)?,
                report: find.number(entry, field::REPORT)?,
                level: find.number(entry, field::PRICE_LEVEL)?,
                action: find.number(entry, field::ACTION)?,
                kind: find.number(entry, field::ENTRY_TYPE)?,
                orders,
            })
        }
        47 => {
            let (entries, entry) = find.group(field::ENTRIES)?;
            Kind::Orders(Orders {
                when: find.when()?,
                entries,
                order: find.number(entry, field::ORDER)?,
                price: find.number(entry, field::ENTRY_PRICE)?,
                size: find.number(entry, field::DISPLAY_SIZE)?,
                security: find.number(entry, field::SECURITY)?,
                action: find.number(entry, field::ACTION)?,
                kind: find.number(entry, field::ENTRY_TYPE)?,
            })
        }
        48 => {
            let (entries, entry) = find.group(field::ENTRIES)?;
            Kind::Trades(Trades {
                when: find.when()?,
                entries,
                price: find.number(entry, field::ENTRY_PRICE)?,
                size: find.number(entry, field::ENTRY_SIZE)?,
                security: find.number(entry, field::SECURITY)?,
                report: find.number(entry, field::REPORT)?,
                aggressor: find.number(entry, field::AGGRESSOR)?,
                action: find.number(entry, field::ACTION)?,
            })
        }
        52 => {
            let (entries, entry) = find.group(field::ENTRIES)?;
            Kind::LevelSnapshot(LevelSnapshot {
                processed: find.here(field::PROCESSED)?,
                security: find.here(field::SECURITY)?,
                report: find.here(field::REPORT)?,
                transact: find.here(field::TRANSACT)?,
                status: find.here(field::SECURITY_STATUS)?,
                entries,
                price: find.number(entry, field::ENTRY_PRICE)?,
                size: find.number(entry, field::ENTRY_SIZE)?,
                level: find.number(entry, field::PRICE_LEVEL)?,
                kind: find.number(entry, field::ENTRY_TYPE)?,
            })
        }
        53 => {
            let (entries, entry) = find.group(field::ENTRIES)?;
            Kind::OrderSnapshot(OrderSnapshot {
                processed: find.here(field::PROCESSED)?,
                security: find.here(field::SECURITY)?,
                chunks: find.here(field::CHUNKS)?,
                chunk: find.here(field::CHUNK)?,
                transact: find.here(field::TRANSACT)?,
                entries,
                order: find.number(entry, field::ORDER)?,
                priority: find.number(entry, field::PRIORITY)?,
                price: find.number(entry, field::ENTRY_PRICE)?,
                size: find.number(entry, field::DISPLAY_SIZE)?,
                kind: find.number(entry, field::ENTRY_TYPE)?,
            })
        }
        _ => other(message),
    })
}

/// Definitions of every kind of instrument, and statistics, are told by the fields that they have.
fn other(message: &Message) -> Kind {
    let here = |id| message.block.field(id).and_then(Field::slot);
    if let (Some(security), Some(increment), Some(factor), Some(action), Some(updated), Some(_)) = (
        here(field::SECURITY),
        here(field::INCREMENT),
        here(field::DISPLAY_FACTOR),
        here(field::SECURITY_UPDATE),
        here(field::LAST_UPDATE),
        message.block.field(field::SYMBOL),
    ) {
        let feeds = message.block.group_index(field::FEEDS).and_then(|index| {
            let depth = message.block.groups[index].block.field(field::MARKET_DEPTH)?.slot()?;
            Some((index, depth))
        });
        return Kind::Definition(Definition { security, action, updated, increment, factor, feeds });
    }
    if let Some(entries) = message.block.group_index(field::ENTRIES) {
        let within = |id| message.block.groups[entries].block.field(id).and_then(Field::slot);
        if let (Some(security), Some(report)) = (within(field::SECURITY), within(field::REPORT)) {
            return Kind::Statistics(Statistics { entries, security, report });
        }
    }
    Kind::PassedOver
}
