//! What can be called and asked: our functions, and the tables of a session.

use std::fmt::Write;

use zomma_storage::sql::{FunctionInfo, Session, Shape};

/// Every function, with signature, unit and a call that works.
pub fn functions() -> String {
    let mut text = String::new();
    let listed = zomma_storage::sql::functions();
    for (shape, heading) in [(Shape::Row, "A value a row"), (Shape::Aggregate, "One value of many rows")] {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{heading}\n");
        for function in listed.iter().filter(|function| function.shape == shape) {
            let FunctionInfo { returns, unit, about, example, .. } = function;
            let _ = writeln!(text, "  {}", function.signature());
            let _ = writeln!(text, "      {about}");
            let _ = writeln!(text, "      returns: {returns}, {unit}; for example {example}");
        }
        text.push('\n');
    }
    text += "A null argument gives null, and so does a row that cannot be valued, never NaN: greeks(…)['status'] and\n\
             implied_volatility_status(…) say why. All functions of DataFusion's SQL are there beside these.\n";
    text
}

/// The same for machines.
pub fn functions_json() -> anyhow::Result<String> {
    let of = |function: &FunctionInfo| {
        let arguments = function.arguments.iter();
        let arguments: Vec<_> = arguments
            .map(|argument| serde_json::json!({ "name": argument.name, "allowed": argument.kind.allowed() }))
            .collect();
        serde_json::json!({
            "name": function.name,
            "aggregate": function.shape == Shape::Aggregate,
            "signature": function.signature(),
            "arguments": arguments,
            "returns": function.returns,
            "unit": function.unit,
            "about": function.about,
            "example": function.example,
        })
    };
    let functions: Vec<_> = zomma_storage::sql::functions().iter().map(of).collect();
    Ok(serde_json::to_string_pretty(&functions)? + "\n")
}

/// Every table, with its columns.
pub fn tables(session: &Session) -> String {
    let mut text = String::new();
    for table in session.tables() {
        let _ = writeln!(text, "{} ({})", table.name, table.source);
        let width = table.columns.fields().iter().map(|field| field.name().len()).max().unwrap_or(0);
        for field in table.columns.fields() {
            let null = if field.is_nullable() { "" } else { ", never null" };
            let _ = writeln!(text, "    {:<width$}  {}{null}", field.name(), field.data_type());
        }
    }
    if text.is_empty() {
        text = "no table: name a place with --root or a file with --table NAME=FILE; a query names a file in quotes\n"
            .into();
    }
    text
}

/// The same for machines.
pub fn tables_json(session: &Session) -> anyhow::Result<String> {
    let tables = session.tables().iter().map(|table| {
        let columns = table.columns.fields().iter();
        let columns: Vec<_> = columns
            .map(|field| {
                serde_json::json!({
                    "name": field.name(),
                    "type": field.data_type().to_string(),
                    "nullable": field.is_nullable(),
                })
            })
            .collect();
        serde_json::json!({ "name": table.name, "source": table.source, "columns": columns })
    });
    Ok(serde_json::to_string_pretty(&tables.collect::<Vec<_>>())? + "\n")
}
