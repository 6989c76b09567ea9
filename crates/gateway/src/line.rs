//! A line to devices: one request at a time, one answer to each, and nothing left over from before.
//!
//! A late answer is the danger: taken for the answer to the next question it gives one meter another's register. So a
//! connection is thrown away after every failure, and bytes that wait before a request is sent are reason to begin anew.
//! Who answers, and to which question, is checked by the protocol besides.

use crate::protocol::{Arrival, Refused};
use crate::reason::sentence;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Both directions of a connection.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Wire for T {}

/// An attempt to connect.
pub type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn Wire>>> + Send>>;

/// How a connection is made. It takes no longer than its kind needs: a serial port waits until the line is quiet.
pub type Dial = Box<dyn Fn() -> Dialling + Send + Sync>;

/// Connects over TCP to `address`, host and port, within `timeout`.
pub fn tcp(address: String, timeout: Duration) -> Dial {
    Box::new(move || {
        let address = address.clone();
        Box::pin(async move {
            let stream = tokio::time::timeout(timeout, TcpStream::connect(address)).await??;
            // Requests are a few bytes and answered at once: waiting to fill a packet costs a fifth of a second each.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    })
}

/// How patient a line is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a whole answer, from the first byte of the request on.
    pub timeout: Duration,
    /// The rest between two requests.
    pub pause: Duration,
    /// Whether the line gives back what is sent on it.
    pub echo: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// There is no connection.
    #[error("could not connect")]
    Connect(#[source] io::Error),
    /// Nothing came, or not enough, in the time.
    #[error("no whole answer in {timeout:?}: {bytes} bytes came")]
    Silent {
        /// The time.
        timeout: Duration,
        /// What came.
        bytes: usize,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// What came is no answer.
    #[error("the answer is refused")]
    Refused {
        /// Why.
        #[source]
        refused: Refused,
        /// What came.
        bytes: Vec<u8>,
    },
}

impl ExchangeError {
    /// The same in Chinese; each has its sentence, or this does not compile.
    pub(crate) fn chinese(&self) -> String {
        match self {
            Self::Connect(_) => "无法连接".into(),
            Self::Silent { timeout, bytes: 0 } => format!("{timeout:?} 内没有应答"),
            Self::Silent { timeout, bytes } => format!("{timeout:?} 内没有完整的应答：收到 {bytes} 字节"),
            Self::Broken(_) => "连接已中断".into(),
            Self::Refused { .. } => "应答不被接受".into(),
        }
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Connect(_) => "line/no-connection",
            Self::Silent { .. } => "line/silent",
            Self::Broken(_) => "line/broken",
            Self::Refused { refused, .. } => refused.code(),
        }
    }
}

/// A line.
pub struct Line {
    dial: Dial,
    patience: Patience,
    open: Option<Box<dyn Wire>>,
    used: bool,
}

impl Line {
    /// A line that connects with the first request.
    pub fn new(dial: Dial, patience: Patience) -> Self {
        Self { dial, patience, open: None, used: false }
    }

    /// Hangs up. The next request connects anew.
    pub fn hang_up(&mut self) {
        self.open = None;
    }

    /// Sends a request and waits for its answer. After any failure the connection is gone.
    pub async fn exchange(
        &mut self,
        request: &[u8],
        arrival: impl Fn(&[u8]) -> Result<Arrival, Refused>,
    ) -> Result<Vec<u8>, ExchangeError> {
        if self.used && !self.patience.pause.is_zero() {
            tokio::time::sleep(self.patience.pause).await;
        }
        self.used = true;
        let mut wire = self.connected().await?;
        let mut answer = Vec::new();
        let timeout = self.patience.timeout;
        let exchange = exchange(&mut wire, request, &mut answer, arrival, self.patience.echo);
        match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(())) => {
                self.open = Some(wire);
                Ok(answer)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ExchangeError::Silent { timeout, bytes: answer.len() }),
        }
    }

    /// A connection on which nothing waits.
    async fn connected(&mut self) -> Result<Box<dyn Wire>, ExchangeError> {
        use futures::FutureExt as _;
        if let Some(mut wire) = self.open.take() {
            let mut byte = [0];
            // Anything that can be read now is left over from before, or says that the other side has hung up.
            if wire.read(&mut byte).now_or_never().is_none() {
                return Ok(wire);
            }
        }
        (self.dial)().await.map_err(ExchangeError::Connect)
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("patience", &self.patience)
            .field("open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

async fn exchange(
    wire: &mut Box<dyn Wire>,
    request: &[u8],
    answer: &mut Vec<u8>,
    arrival: impl Fn(&[u8]) -> Result<Arrival, Refused>,
    echo: bool,
) -> Result<(), ExchangeError> {
    wire.write_all(request).await.map_err(ExchangeError::Broken)?;
    wire.flush().await.map_err(ExchangeError::Broken)?;
    if echo {
        read_more(wire, answer, request.len()).await?;
        if answer != request {
            let refused = Refused::WrongSubject {
                expected: sentence!("the request, given back by the line", "线路回送的请求"),
                found: sentence!("other bytes", "其他字节"),
            };
            return Err(ExchangeError::Refused { refused, bytes: std::mem::take(answer) });
        }
        answer.clear();
    }
    loop {
        match arrival(answer) {
            Ok(Arrival::Whole(_)) => return Ok(()),
            // The protocol bounds what a frame can need before anything is allocated for it.
            Ok(Arrival::Needs(more)) => read_more(wire, answer, more).await?,
            Err(refused) => return Err(ExchangeError::Refused { refused, bytes: std::mem::take(answer) }),
        }
    }
}

/// Reads exactly so many more bytes. What has come stays in `answer` when the time is over.
async fn read_more(wire: &mut Box<dyn Wire>, answer: &mut Vec<u8>, more: usize) -> Result<(), ExchangeError> {
    let whole = answer.len() + more;
    let mut buffer = [0; 512];
    while answer.len() < whole {
        let wanted = (whole - answer.len()).min(buffer.len());
        match wire.read(&mut buffer[..wanted]).await {
            Ok(0) => return Err(ExchangeError::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => answer.extend(&buffer[..count]),
            Err(error) => return Err(ExchangeError::Broken(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::dlt645::{self, FORWARD_ACTIVE};
    use std::sync::Arc;
    use std::sync::Mutex;
    use tokio::io::DuplexStream;

    const PATIENCE: Patience = Patience { timeout: Duration::from_secs(3), pause: Duration::ZERO, echo: false };

    /// Connections in memory; the other ends are handed out in order.
    fn memory() -> (Dial, Arc<Mutex<Vec<DuplexStream>>>) {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let dialled = ends.clone();
        let dial: Dial = Box::new(move || {
            let (near, far) = tokio::io::duplex(1_024);
            dialled.lock().unwrap().push(far);
            Box::pin(async move { Ok(Box::new(near) as Box<dyn Wire>) })
        });
        (dial, ends)
    }

    fn request() -> (Vec<u8>, Vec<u8>) {
        let address: dlt645::Address = "161".parse().unwrap();
        let mut answer = dlt645::read_answer(address, FORWARD_ACTIVE, 1, 4);
        answer.drain(..4);
        (dlt645::read_request(address, FORWARD_ACTIVE), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_drips_in_slowly_has_the_time_of_one_answer_and_no_more() {
        let (dial, ends) = memory();
        let mut line = Line::new(dial, PATIENCE);
        let (request, answer) = request();
        let device = async {
            while ends.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            let mut far = ends.lock().unwrap().pop().unwrap();
            for byte in &answer {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let _ = far.write_all(&[*byte]).await;
            }
        };
        let (result, ()) = tokio::join!(line.exchange(&request, dlt645::arrival), device);
        assert!(matches!(result, Err(ExchangeError::Silent { bytes: 2 | 3, .. })), "{result:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_silence_the_late_answer_is_left_on_the_old_connection() {
        let (dial, ends) = memory();
        let mut line = Line::new(dial, PATIENCE);
        let (request, answer) = request();
        let silent = line.exchange(&request, dlt645::arrival).await;
        assert!(matches!(silent, Err(ExchangeError::Silent { bytes: 0, .. })), "{silent:?}");
        let mut old = ends.lock().unwrap().pop().unwrap();
        assert!(old.write_all(&answer).await.is_err(), "nobody listens there any more");
        let device = async {
            while ends.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            let mut far = ends.lock().unwrap().pop().unwrap();
            far.write_all(&answer).await.unwrap();
            far
        };
        let (result, _far) = tokio::join!(line.exchange(&request, dlt645::arrival), device);
        assert_eq!(result.unwrap(), answer);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_wait_before_a_request_make_the_line_begin_anew() {
        let (dial, ends) = memory();
        let mut line = Line::new(dial, PATIENCE);
        let (request, answer) = request();
        let twice = async {
            while ends.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            let mut far = ends.lock().unwrap().pop().unwrap();
            far.write_all(&[answer.clone(), answer.clone()].concat()).await.unwrap();
            far
        };
        let (result, first) = tokio::join!(line.exchange(&request, dlt645::arrival), twice);
        assert_eq!(result.unwrap(), answer);
        let again = async {
            while ends.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            let mut far = ends.lock().unwrap().pop().unwrap();
            far.write_all(&answer).await.unwrap();
            far
        };
        let (result, second) = tokio::join!(line.exchange(&request, dlt645::arrival), again);
        assert_eq!(result.unwrap(), answer);
        drop((first, second));
    }

    #[tokio::test(start_paused = true)]
    async fn an_echo_is_taken_off_and_must_be_the_request() {
        let (request, answer) = request();
        for (echo, is_taken) in [(request.clone(), true), (vec![0; request.len()], false)] {
            let (dial, ends) = memory();
            let mut line = Line::new(dial, Patience { echo: true, ..PATIENCE });
            let device = async {
                while ends.lock().unwrap().is_empty() {
                    tokio::task::yield_now().await;
                }
                let mut far = ends.lock().unwrap().pop().unwrap();
                far.write_all(&[echo.clone(), answer.clone()].concat()).await.unwrap();
                far
            };
            let (result, _far) = tokio::join!(line.exchange(&request, dlt645::arrival), device);
            assert_eq!(result.is_ok(), is_taken, "{result:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn noise_is_refused_and_a_broken_connection_is_told() {
        for bytes in [vec![0x00], vec![0x68; 8], vec![]] {
            let (dial, ends) = memory();
            let mut line = Line::new(dial, PATIENCE);
            let (request, _) = request();
            let device = async {
                while ends.lock().unwrap().is_empty() {
                    tokio::task::yield_now().await;
                }
                let mut far = ends.lock().unwrap().pop().unwrap();
                far.write_all(&bytes).await.unwrap();
            };
            let (result, ()) = tokio::join!(line.exchange(&request, dlt645::arrival), device);
            assert!(matches!(result, Err(ExchangeError::Refused { .. } | ExchangeError::Broken(_))), "{result:?}");
        }
    }
}
