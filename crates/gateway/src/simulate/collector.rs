//! A simulated collector: publishes over MQTT what the devices behind it show.
//!
//! One message after the other, each until the broker has it. Nothing is kept and nothing is tried again: a collector that has lost its
//! broker connects anew.

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet, Publish};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest packet that a broker sends to who only publishes.
const MAX_PACKET: usize = 1_024;

/// A connection to a broker.
#[derive(Debug)]
pub struct Collector {
    stream: TcpStream,
    received: BytesMut,
    /// Number of the last message.
    last: u16,
}

impl Collector {
    /// Connects to the broker at `address` under a name.
    pub async fn connect(address: &str, name: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut collector = Self { stream, received: BytesMut::new(), last: 0 };
        // A broker must not take the time between two readings for a broken connection.
        let hello = Connect { keep_alive: 0, ..Connect::new(name) };
        collector.send(|bytes| hello.write(bytes)).await?;
        match collector.next().await? {
            Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, .. }) => Ok(collector),
            other => Err(strange(&other)),
        }
    }

    /// Publishes a document under a topic; the broker has it when this returns.
    pub async fn publish(&mut self, topic: &str, document: &str) -> io::Result<()> {
        // 0 is no number.
        self.last = self.last.checked_add(1).unwrap_or(1);
        let message = Publish { pkid: self.last, ..Publish::new(topic, QoS::AtLeastOnce, document) };
        self.send(|bytes| message.write(bytes)).await?;
        match self.next().await? {
            Packet::PubAck(acknowledged) if acknowledged.pkid == self.last => Ok(()),
            other => Err(strange(&other)),
        }
    }

    async fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> Result<usize, Error>) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        write(&mut bytes).map_err(io::Error::other)?;
        self.stream.write_all(&bytes).await
    }

    async fn next(&mut self) -> io::Result<Packet> {
        loop {
            match Packet::read(&mut self.received, MAX_PACKET) {
                Ok(packet) => return Ok(packet),
                Err(Error::InsufficientBytes(_)) => {
                    if self.stream.read_buf(&mut self.received).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

fn strange(packet: &Packet) -> io::Error {
    io::Error::other(format!("the broker answers {packet:?}"))
}
