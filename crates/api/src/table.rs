//! Any list as a table: with `format=csv` all its pages come as one file, in the order and through the filters that were asked
//! for.
//!
//! Columns are the items' fields; those of a field that has fields of its own stand after a dot (`cause.height`), and a list
//! within an item is one cell of JSON. What a program other than this one would take for a formula begins with an apostrophe.

use crate::peer::Peer;
use crate::problem::{Code, Problem};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{self, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use utilidor_view::limits::{MAX_PAGE_ITEMS, MAX_TABLE_ROWS};

const CSV: &str = "text/csv; charset=utf-8";
/// Longest page in bytes.
const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;
/// Programs that show tables take a file for UTF-8 if it begins so.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The query without what is about pages, if a table is asked for.
fn wanted(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    query.split('&').any(|part| part == "format=csv").then(|| {
        let about_pages = |part: &&str| ["format=", "limit=", "cursor="].iter().any(|name| part.starts_with(name));
        query.split('&').filter(|part| !about_pages(part)).collect::<Vec<_>>().join("&")
    })
}

/// Answers with a table where one is asked for.
pub(crate) async fn as_table(State(lists): State<Router>, peer: Peer, request: Request, next: Next) -> Response {
    match wanted(request.uri()).filter(|_| request.method() == Method::GET) {
        Some(query) => {
            let (asked, _) = request.into_parts();
            table(&lists, peer, &asked, &query).await.unwrap_or_else(|response| response)
        }
        None => next.run(request).await,
    }
}

async fn table(lists: &Router, peer: Peer, asked: &Parts, query: &str) -> Result<Response, Response> {
    let path = asked.uri.path().to_owned();
    let mut rows: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let mut page = http::Request::get(format!("{path}?{query}&limit={MAX_PAGE_ITEMS}{after}"));
        for name in [header::HOST, header::AUTHORIZATION] {
            if let Some(value) = asked.headers.get(&name) {
                page = page.header(name, value);
            }
        }
        let mut page = page.body(Body::empty()).map_err(|_| malformed("the query is none").into_response())?;
        page.extensions_mut().insert(peer);
        let Ok(answer) = TowerToHyperService::new(lists.clone()).call(page).await;
        if !answer.status().is_success() {
            return Err(answer);
        }
        let bytes = to_bytes(answer.into_body(), MAX_PAGE_BYTES).await;
        let page: Option<Value> = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(Value::Array(items)) = page.as_ref().and_then(|page| page.get("items").or_else(|| page.get("points")))
        else {
            return Err(malformed("this is no list: it has no table").into_response());
        };
        rows.extend(items.iter().cloned());
        if rows.len() > MAX_TABLE_ROWS {
            let detail = format!("the list has more than {MAX_TABLE_ROWS} items: ask for a part of it");
            return Err(Problem::new(Code::TooLarge, detail).into_response());
        }
        cursor = page.as_ref().and_then(|page| page["next"].as_str()).map(String::from);
        if cursor.is_none() {
            break;
        }
    }
    let name = path.trim_start_matches("/v1/").replace('/', "-");
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    Ok(([(header::CONTENT_TYPE, CSV.to_owned()), (header::CONTENT_DISPOSITION, disposition)], written(&rows))
        .into_response())
}

fn malformed(what: &str) -> Problem {
    Problem::new(Code::Malformed, what)
}

/// The table of items: columns in the order in which they first appear.
fn written(items: &[Value]) -> String {
    let mut columns: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut rows: Vec<BTreeMap<usize, String>> = Vec::with_capacity(items.len());
    for item in items {
        let mut cells = Vec::new();
        flatten("", item, &mut cells);
        let row = cells.into_iter().map(|(name, cell)| {
            let place = *places.entry(name).or_insert_with_key(|name| {
                columns.push(name.clone());
                columns.len() - 1
            });
            (place, cell)
        });
        rows.push(row.collect());
    }
    if columns.is_empty() {
        return BYTE_ORDER_MARK.into();
    }
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
    let empty = String::new();
    let records =
        rows.iter().map(|row| (0..columns.len()).map(|place| row.get(&place).unwrap_or(&empty)).collect::<Vec<_>>());
    for record in std::iter::once(columns.iter().collect::<Vec<_>>()).chain(records) {
        writer.write_record(record).expect("a vector takes every record");
    }
    String::from_utf8(writer.into_inner().expect("a vector is never full")).expect("cells are text")
}

fn flatten(name: &str, value: &Value, cells: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, cells);
            }
        }
        Value::Null => {}
        Value::String(text) => cells.push((name.into(), harmless(text))),
        other => cells.push((name.into(), other.to_string())),
    }
}

/// A cell that no program takes for a formula.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_fields_are_columns_and_lists_are_cells() {
        let table =
            written(&[json!({ "a": 1, "b": { "c": "x,y", "d": null }, "e": [1, 2] }), json!({ "a": 2, "f": "=1+1" })]);
        assert_eq!(table, "\u{feff}a,b.c,e,f\r\n1,\"x,y\",\"[1,2]\",\r\n2,,,'=1+1\r\n");
        assert_eq!(written(&[]), "\u{feff}", "a list without items has no columns");
    }

    #[test]
    fn filters_stay_and_pages_go() {
        let uri: Uri = "/v1/meters?holder=77&format=csv&limit=3&order=newest".parse().unwrap();
        assert_eq!(wanted(&uri).as_deref(), Some("holder=77&order=newest"));
        assert_eq!(wanted(&"/v1/meters?limit=3".parse().unwrap()), None);
    }
}
