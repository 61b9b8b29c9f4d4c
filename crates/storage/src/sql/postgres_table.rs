//! A table of a PostgreSQL server as DataFusion scans it: columns, times, instruments and a limit are asked of the server.

use std::{fmt, sync::Arc};

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, ScalarValue, project_schema, tree_node::TreeNodeRecursion},
    datasource::TableType,
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, expr::InList},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt};

use super::bounds::Bounds;
use crate::{
    postgres::{Database, Request, scan},
    table::{INSTRUMENT, Table},
};

/// One table of one server.
#[derive(Debug)]
pub(super) struct PostgresTable {
    database: Database,
    table: Table,
}

impl PostgresTable {
    /// A table of a server that answers.
    pub(super) fn new(database: Database, table: Table) -> Self {
        Self { database, table }
    }

    /// Where it is, without a password.
    pub(super) fn shown(&self) -> &str {
        self.database.shown()
    }
}

#[async_trait]
impl TableProvider for PostgresTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The server leaves out what it can; rows are still to be looked at.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let bounds = Bounds::of(filters);
        let within = |ns: i128| i64::try_from(ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX))).ok();
        let request = Request {
            columns: projection.cloned(),
            from_ns: (bounds.first_ns != i128::MIN).then(|| within(bounds.first_ns)).flatten(),
            // The server is asked for times before this one; the last time that there is has none after it.
            to_ns: (bounds.last_ns < i128::from(i64::MAX)).then(|| within(bounds.last_ns + 1)).flatten(),
            instruments: instruments(filters),
            limit: limit.map(|limit| limit as u64),
            ..Request::of(self.table)
        };
        let columns = project_schema(&self.schema(), projection)?;
        Ok(Arc::new(PostgresScan::new(self.database.clone(), request, columns)))
    }
}

/// The instruments that predicates, all of which must hold, name one by one; none where they name none.
pub(super) fn instruments(predicates: &[Expr]) -> Vec<String> {
    predicates.iter().find_map(named).unwrap_or_default()
}

fn named(predicate: &Expr) -> Option<Vec<String>> {
    let is_instrument = |expression: &Expr| matches!(expression, Expr::Column(column) if column.name == INSTRUMENT);
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (column, value) | (value, column) if is_instrument(column) => Some(vec![text(value)?]),
            _ => None,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => named(left).or_else(|| named(right)),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut names = named(left)?;
            names.extend(named(right)?);
            Some(names)
        }
        Expr::InList(InList { expr, list, negated: false }) if is_instrument(expr) => {
            list.iter().map(text).collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
        }
        _ => None,
    }
}

fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _) => {
            text.clone()
        }
        _ => None,
    }
}

/// A question to a server, asked when its rows are wanted.
#[derive(Debug)]
pub(super) struct PostgresScan {
    database: Database,
    request: Request,
    columns: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl PostgresScan {
    fn new(database: Database, request: Request, columns: SchemaRef) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&columns)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self { database, request, columns, properties }
    }
}

impl DisplayAs for PostgresScan {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { table, from_ns, to_ns, instruments, limit, .. } = &self.request;
        write!(formatter, "PostgresScan: {table} at {}", self.database.shown())?;
        if let Some(from) = from_ns {
            write!(formatter, ", time >= {from} ns")?;
        }
        if let Some(to) = to_ns {
            write!(formatter, ", time < {to} ns")?;
        }
        if !instruments.is_empty() {
            write!(formatter, ", instruments {}", instruments.join(", "))?;
        }
        match limit {
            Some(limit) => write!(formatter, ", limit {limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for PostgresScan {
    fn name(&self) -> &'static str {
        "PostgresScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (database, request) = (self.database.clone(), self.request.clone());
        let asked = async move { scan(&database, &request).await };
        let rows = futures::stream::once(asked).try_flatten();
        let rows = rows.map(|rows| rows.map_err(|error| DataFusionError::External(Box::new(error))));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.columns), rows.boxed())))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn instruments_are_asked_for_where_predicates_name_them() {
        let of = |predicate: Expr| instruments(&[predicate]);
        assert_eq!(of(col(INSTRUMENT).eq(lit("SPY"))), ["SPY"]);
        assert_eq!(of(lit("SPY").eq(col(INSTRUMENT)).and(col("bid").gt(lit(1.0)))), ["SPY"]);
        assert_eq!(of(col(INSTRUMENT).in_list(vec![lit("SPY"), lit("QQQ")], false)), ["SPY", "QQQ"]);
        assert_eq!(of(col(INSTRUMENT).eq(lit("SPY")).or(col(INSTRUMENT).eq(lit("QQQ")))), ["SPY", "QQQ"]);
        for predicate in [
            col(INSTRUMENT).not_eq(lit("SPY")),
            col(INSTRUMENT).in_list(vec![lit("SPY")], true),
            col(INSTRUMENT).eq(lit("SPY")).or(col("bid").gt(lit(1.0))),
            col(INSTRUMENT).eq(col("underlying")),
        ] {
            assert_eq!(of(predicate.clone()), Vec::<String>::new(), "{predicate}");
        }
    }
}
