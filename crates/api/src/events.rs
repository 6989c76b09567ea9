//! The event stream: server-sent events of final blocks and their receipts, in order, to be resumed anywhere.
//!
//! Each block is one `block` event and one `receipt` event for each of its receipts that the listener may see whole. An event's id is `height:index`: index 0
//! is the block event, `n + 1` is receipt number `n`.

use crate::extract::{Query, SignedIn};
use crate::peer::{Peer, Place};
use crate::problem::{Code, Problem, Problems};
use crate::state::App;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use utilidor_types::Digest;
use utilidor_view::{BlockView, ReceiptView, Viewer};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream_events))
}

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The first event is of the block after this height. Unless given, the stream begins with the next block.
    after_height: Option<u64>,
}

/// The event after which a client goes on: a height and a place in that block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    height: u64,
    index: u32,
}

impl Position {
    fn parse(text: &str) -> Option<Self> {
        let (height, index) = text.split_once(':')?;
        Some(Self { height: height.parse().ok()?, index: index.parse().ok()? })
    }
}

/// Final blocks and their receipts as server-sent events: `block` (a block as in `/v1/blocks`) and `receipt` (height, index
/// and receipt), the latter as far as one may see all of it. The stream ends with its token. Ids are `height:index`; give the last one as `Last-Event-ID` to go on after it.
#[utoipa::path(
    get, path = "/v1/events", tag = "blocks",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event received")),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        Problems
    )
)]
async fn stream_events(
    State(app): State<App>,
    peer: Peer,
    signed_in: Option<SignedIn>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let last = last.map(|text| {
        Position::parse(text).ok_or_else(|| {
            Problem::new(Code::Malformed, format!("{text:?} is no event id: they are written height:index"))
        })
    });
    let present = *app.indexed.borrow();
    let begin = match (last.transpose()?, query.after_height) {
        (Some(last), _) => last,
        (None, Some(height)) => Position { height, index: u32::MAX },
        (None, None) => Position { height: present, index: u32::MAX },
    };
    let place = app.listen_place(peer)?;
    let token = signed_in.map(|SignedIn(admitted)| admitted.token);
    let stream = Listening { app, token, last: begin, ready: VecDeque::new(), _place: place };
    let stream = futures::stream::unfold(stream, |mut listening| async move {
        let event = listening.next().await?;
        Some((Ok(event), listening))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

struct Listening {
    app: App,
    /// Shows who listens; when it has ended, so does the stream.
    token: Option<Digest>,
    last: Position,
    ready: VecDeque<Event>,
    _place: Place,
}

impl Listening {
    /// The next event; none when the node stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            // A position at the end of its block leads to nothing; the next block follows.
            let height = self.last.height;
            if self.last.index != u32::MAX && height > 0 {
                self.load(height).await?;
            } else {
                self.last = Position { height: height.checked_add(1)?, index: 0 };
                self.load_whole().await?;
            }
        }
    }

    /// Loads what follows the last position in its block.
    async fn load(&mut self, height: u64) -> Option<()> {
        let after = self.last.index;
        let (_, receipts) = self.fetch(height).await?;
        self.ready =
            receipts.into_iter().filter(|row| row.index >= after).filter_map(|row| receipt_event(&row)).collect();
        self.last.index = u32::MAX;
        Some(())
    }

    async fn load_whole(&mut self) -> Option<()> {
        let (block, receipts) = self.fetch(self.last.height).await?;
        let id = format!("{}:0", block.height);
        self.ready.extend(Event::default().event("block").id(id).json_data(block).ok());
        self.ready.extend(receipts.iter().filter_map(receipt_event));
        self.last.index = u32::MAX;
        Some(())
    }

    async fn fetch(&self, height: u64) -> Option<(BlockView, Vec<ReceiptView>)> {
        self.app.indexed(height).await.ok()?;
        let viewer = match self.token {
            Some(token) => self.app.admission.again(token)?.viewer,
            None => Viewer::Public,
        };
        let question =
            self.app.ask(viewer, move |questions| Ok((questions.block_view(height)?, questions.receipts(height)?)));
        let (block, receipts) = question.await.ok()?;
        Some((block?, receipts))
    }
}

fn receipt_event(row: &ReceiptView) -> Option<Event> {
    let id = format!("{}:{}", row.height, row.index + 1);
    Event::default().event("receipt").id(id).json_data(row).ok()
}
