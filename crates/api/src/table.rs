//! Any list as a table: with `format=csv` all its pages come as one file, in the order and through the filters that were asked
//! for.
//!
//! Columns are the items' fields; those of a field that has fields of its own stand after a dot (`cause.height`), and a list
//! within an item is one cell of JSON. What a program other than this one would take for a formula begins with an apostrophe.
//!
//! All columns are known with the last page only, so a table is held in memory, as text, until it is sent: there are few at a
//! time, and none is long.

use crate::peer::{Peer, Place};
use crate::problem::{Code, Problem};
use crate::state::App;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{self, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use std::collections::HashMap;
use utilidor_view::limits::{MAX_PAGE_ITEMS, MAX_TABLE_ROWS};

const CSV: &str = "text/csv; charset=utf-8";
/// Longest page in bytes.
const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;
/// Longest table in bytes.
const MAX_TABLE_BYTES: usize = 256 * 1024 * 1024;
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
pub(crate) async fn as_table(
    State((app, lists)): State<(App, Router)>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    match wanted(request.uri()).filter(|_| request.method() == Method::GET) {
        Some(query) => {
            let (asked, _) = request.into_parts();
            let answer = match app.table_place(peer).await {
                Ok(place) => table(&lists, peer, place, &asked, &query).await,
                Err(problem) => Err(problem.into_response()),
            };
            answer.unwrap_or_else(|response| response)
        }
        None => next.run(request).await,
    }
}

async fn table(lists: &Router, peer: Peer, place: Place, asked: &Parts, query: &str) -> Result<Response, Response> {
    let path = asked.uri.path().to_owned();
    let mut table = Table::new();
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
        items.iter().for_each(|item| table.add(item));
        if table.is_too_long() {
            let detail = format!(
                "the list is longer than a table may be, {MAX_TABLE_ROWS} items or {MAX_TABLE_BYTES} bytes: ask for a part of \
                 it, or read its pages as JSON, without format=csv"
            );
            return Err(Problem::new(Code::TooLarge, detail).into_response());
        }
        cursor = page.as_ref().and_then(|page| page["next"].as_str()).map(String::from);
        if cursor.is_none() {
            break;
        }
    }
    let name = path.trim_start_matches("/v1/").replace('/', "-");
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let held = Bytes::from_owner(Held { text: table.written(), _place: place });
    Ok(([(header::CONTENT_TYPE, CSV.to_owned()), (header::CONTENT_DISPOSITION, disposition)], held).into_response())
}

/// A table that is being sent, and its place until it is.
struct Held {
    text: Vec<u8>,
    _place: Place,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

fn malformed(what: &str) -> Problem {
    Problem::new(Code::Malformed, what)
}

/// Items as rows of text: columns in the order in which they first appear.
struct Table {
    columns: Vec<String>,
    places: HashMap<String, usize>,
    /// The rows, each with the cells of the columns that were known by then.
    rows: csv::Writer<Vec<u8>>,
    /// Where each row ends, and how many cells it has.
    ends: Vec<(usize, usize)>,
}

const LINE_END: &[u8] = b"\r\n";

fn writer(to: Vec<u8>) -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(to)
}

impl Table {
    fn new() -> Self {
        Self { columns: Vec::new(), places: HashMap::new(), rows: writer(Vec::new()), ends: Vec::new() }
    }

    fn add(&mut self, item: &Value) {
        let mut cells = Vec::new();
        flatten("", item, &mut cells);
        let mut row = vec![String::new(); self.columns.len()];
        for (name, cell) in cells {
            let place = *self.places.entry(name).or_insert_with_key(|name| {
                self.columns.push(name.clone());
                row.push(String::new());
                self.columns.len() - 1
            });
            row[place] = cell;
        }
        self.rows.write_record(&row).and_then(|()| Ok(self.rows.flush()?)).expect("a vector takes every record");
        // A row without cells is written as one empty cell.
        self.ends.push((self.rows.get_ref().len(), row.len().max(1)));
    }

    fn is_too_long(&self) -> bool {
        self.ends.len() > MAX_TABLE_ROWS || self.rows.get_ref().len() > MAX_TABLE_BYTES
    }

    fn written(self) -> Vec<u8> {
        let mut table = BYTE_ORDER_MARK.as_bytes().to_vec();
        if self.columns.is_empty() {
            return table;
        }
        let rows = self.rows.into_inner().expect("a vector is never full");
        table.reserve(rows.len());
        let mut head = writer(table);
        head.write_record(&self.columns).expect("a vector takes every record");
        let mut table = head.into_inner().expect("a vector is never full");
        let mut begin = 0;
        for (end, cells) in self.ends {
            table.extend_from_slice(&rows[begin..end - LINE_END.len()]);
            table.extend(std::iter::repeat_n(b',', self.columns.len() - cells));
            table.extend_from_slice(LINE_END);
            begin = end;
        }
        table
    }
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

    fn written(items: &[Value]) -> String {
        let mut table = Table::new();
        items.iter().for_each(|item| table.add(item));
        String::from_utf8(table.written()).unwrap()
    }

    #[test]
    fn fields_of_fields_are_columns_and_lists_are_cells() {
        let items = [
            json!({ "a": 1, "b": { "c": "x,y", "d": null }, "e": [1, 2] }),
            json!({ "a": 2, "f": "=1+1" }),
            json!({ "g": "two\r\nlines", "b": { "c": "z" } }),
        ];
        assert_eq!(
            written(&items),
            "\u{feff}a,b.c,e,f,g\r\n1,\"x,y\",\"[1,2]\",,\r\n2,,,'=1+1,\r\n,z,,,\"two\r\nlines\"\r\n"
        );
        assert_eq!(written(&[]), "\u{feff}", "a list without items has no columns");
        assert_eq!(written(&[json!({}), json!({ "a": 1, "b": 2 })]), "\u{feff}a,b\r\n\"\",\r\n1,2\r\n");
    }

    #[test]
    fn filters_stay_and_pages_go() {
        let uri: Uri = "/v1/meters?holder=77&format=csv&limit=3&order=newest".parse().unwrap();
        assert_eq!(wanted(&uri).as_deref(), Some("holder=77&order=newest"));
        assert_eq!(wanted(&"/v1/meters?limit=3".parse().unwrap()), None);
    }
}
