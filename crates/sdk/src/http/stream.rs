//! The node's event stream: blocks and receipts in order, as they become final. It resumes after an interruption where it
//! stopped; nothing is delivered twice, nothing is left out.

use super::client::{Client, ClientError, is_passing, problem, shown};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use reqwest::{Method, StatusCode};
use std::collections::VecDeque;
use std::time::Duration;
use utilidor_view::{BlockView, ReceiptView};

/// Longest event that is read, in bytes.
const MAX_EVENT_BYTES: usize = 32 * 1024 * 1024;
/// The pause before reconnecting.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a connection is tried before the stream ends with an error.
const MAX_ATTEMPTS: u32 = 8;

/// What the stream tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerEvent {
    /// A block is final.
    Block(BlockView),
    /// A receipt of a final block.
    Receipt(ReceiptView),
}

/// A server-sent event as it stands on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct WireEvent {
    name: String,
    id: Option<String>,
    data: String,
}

/// Puts server-sent events together from the bytes of a response.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    event: WireEvent,
}

impl Parser {
    /// Takes bytes, gives the events that they complete; `None` if one is too long.
    fn take(&mut self, bytes: &[u8]) -> Option<Vec<WireEvent>> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() > MAX_EVENT_BYTES {
                    return None;
                }
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.data.is_empty() {
                    events.push(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => self.event.name = value.into(),
                "id" => self.event.id = Some(value.into()),
                "data" => {
                    if !self.event.data.is_empty() {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(value);
                }
                // Comments keep the connection alive; other fields are of no use here.
                _ => {}
            }
        }
        Some(events)
    }
}

struct State {
    client: Client,
    after_height: u64,
    last_id: Option<String>,
    bytes: Option<BoxStream<'static, Result<Vec<u8>, reqwest::Error>>>,
    parser: Parser,
    ready: VecDeque<WireEvent>,
    attempts: u32,
    ended: bool,
}

impl Client {
    /// The events of all blocks after `height`, and then of each new one. Ends with an error only if the node cannot be
    /// reached again, or refuses.
    pub fn events_after(&self, height: u64) -> impl Stream<Item = Result<LedgerEvent, ClientError>> + Send + use<> {
        let state = State {
            client: self.clone(),
            after_height: height,
            last_id: None,
            bytes: None,
            parser: Parser::default(),
            ready: VecDeque::new(),
            attempts: 0,
            ended: false,
        };
        futures::stream::unfold(state, |mut state| async move {
            if state.ended {
                return None;
            }
            let event = state.next().await;
            state.ended = event.is_err();
            Some((event, state))
        })
    }
}

impl State {
    async fn next(&mut self) -> Result<LedgerEvent, ClientError> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                if let Some(id) = &event.id {
                    self.last_id = Some(id.clone());
                }
                match event.name.as_str() {
                    "block" => return parse(&event.data).map(LedgerEvent::Block),
                    "receipt" => return parse(&event.data).map(LedgerEvent::Receipt),
                    _ => {}
                }
            }
            match &mut self.bytes {
                None => self.connect().await?,
                Some(bytes) => match bytes.next().await {
                    Some(Ok(bytes)) => {
                        self.attempts = 0;
                        let Some(events) = self.parser.take(&bytes) else {
                            return Err(not_understood("an event is too long"));
                        };
                        self.ready.extend(events);
                    }
                    // The node went away, or the connection did: go on where it stopped.
                    Some(Err(_)) | None => {
                        self.bytes = None;
                        self.parser = Parser::default();
                    }
                },
            }
        }
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        if self.attempts > 0 {
            tokio::time::sleep(PAUSE * self.attempts).await;
        }
        self.attempts += 1;
        let mut request = self.client.request(Method::GET, "v1/events").header("accept", "text/event-stream");
        request = match &self.last_id {
            Some(id) => request.header("last-event-id", id),
            None => request.query(&[("after_height", self.after_height)]),
        };
        let token = self.client.token_for("v1/events").await?;
        match shown(request, token.as_deref()).send().await {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED && self.attempts < MAX_ATTEMPTS => {
                self.client.forget_token(token.as_deref()).await;
                Ok(())
            }
            Ok(response) if response.status().is_success() => {
                let bytes = response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec()));
                self.bytes = Some(bytes.boxed());
                Ok(())
            }
            Ok(response) if is_passing(response.status()) && self.attempts < MAX_ATTEMPTS => Ok(()),
            Ok(response) => {
                let status = response.status();
                let bytes = response.bytes().await.map_err(|error| self.client.unreachable(error))?;
                Err(ClientError::Problem(problem(status, &bytes)))
            }
            Err(_) if self.attempts < MAX_ATTEMPTS => Ok(()),
            Err(error) => Err(self.client.unreachable(error)),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(data: &str) -> Result<T, ClientError> {
    serde_json::from_str(data).map_err(|error| not_understood(&error.to_string()))
}

fn not_understood(reason: &str) -> ClientError {
    ClientError::NotUnderstood { path: "v1/events".into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_however_the_bytes_are_cut() {
        let wire = b": hello\n\nevent: block\nid: 7:0\ndata: {\"a\":\ndata: 1}\n\nevent: receipt\r\ndata: x\r\n\r\n";
        for cut in 0..wire.len() {
            let mut parser = Parser::default();
            let mut events = parser.take(&wire[..cut]).unwrap();
            events.extend(parser.take(&wire[cut..]).unwrap());
            let block = WireEvent { name: "block".into(), id: Some("7:0".into()), data: "{\"a\":\n1}".into() };
            let receipt = WireEvent { name: "receipt".into(), id: None, data: "x".into() };
            assert_eq!(events, [block, receipt], "cut at {cut}");
        }
    }
}
