//! A line between nodes that now and then is slow: one in twenty pieces of what goes over it waits 200 ms, and what comes after
//! it on the same connection waits behind it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, tcp};
use tokio::task::{AbortHandle, JoinSet};
use utilidor_types::hash::tagged_hash;

/// One in so many pieces is delayed.
const ONE_IN: u64 = 20;
/// For so long.
const DELAY: Duration = Duration::from_millis(200);
/// Bytes of a piece, at most: about what a segment carries over the loopback.
const PIECE: usize = 65_536;

/// An open line. Dropping it cuts it.
#[derive(Debug)]
pub struct Line(AbortHandle);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Line {
    /// Takes connections at `from` and passes what they carry on to `to`, and back.
    pub async fn open(from: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(from).await?;
        let open = async move {
            // Ends with this task, and so do the connections.
            let mut connections = JoinSet::new();
            let mut number = 0;
            while let Ok((near, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                number += 2;
                connections.spawn(async move {
                    let far = TcpStream::connect(to).await?;
                    near.set_nodelay(true)?;
                    far.set_nodelay(true)?;
                    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                    // As soon as one direction ends the connection is over, as with a router that forgets it.
                    tokio::select! {
                        ended = carry(from_near, to_far, number) => ended,
                        ended = carry(from_far, to_near, number + 1) => ended,
                    }
                });
            }
        };
        Ok(Self(tokio::spawn(open).abort_handle()))
    }
}

async fn carry(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, direction: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    for number in 0_u64.. {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            break;
        }
        if is_delayed(direction, number) {
            tokio::time::sleep(DELAY).await;
        }
        to.write_all(&piece[..length]).await?;
    }
    Ok(())
}

/// Which pieces are delayed is the same in every run.
fn is_delayed(direction: u64, number: u64) -> bool {
    let hash = tagged_hash("utilidor/bench line", &[&direction.to_le_bytes(), &number.to_le_bytes()]).0;
    u64::from_le_bytes(hash[..8].try_into().expect("eight bytes")).is_multiple_of(ONE_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_pieces_is_delayed() {
        let delayed = (0..10_000).filter(|number| is_delayed(2, *number)).count();
        assert!((400..600).contains(&delayed), "{delayed} of 10,000");
    }

    #[tokio::test]
    async fn a_line_carries_both_ways_in_order() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = echo.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = echo.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let _line = Line::open(free, to).await.unwrap();
        let mut stream = TcpStream::connect(free).await.unwrap();
        let sent: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        stream.write_all(&sent).await.unwrap();
        let mut back = vec![0; sent.len()];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, sent);
    }
}
