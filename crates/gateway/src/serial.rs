//! A serial port: an RS-485 or M-Bus adapter on this machine.
//!
//! What a serial line lacks is a connection that could be thrown away: an answer that comes too late meets whoever listens then. So
//! a port that is opened again after trouble first waits until the line has been quiet for a while.

use crate::line::{Dial, Wire};
use rustix::termios::{self, ControlModes, OptionalActions, QueueSelector, Termios};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// How long a line has to be quiet before it is used again after trouble.
const QUIET: Duration = Duration::from_secs(1);
/// For how long a line that is never quiet is waited for.
const NEVER_QUIET: Duration = Duration::from_secs(10);
/// Bits of a character with start, parity and stop, at most.
const MAX_CHARACTER_BITS: u64 = 12;

/// Parity of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parity {
    /// None.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// A serial port and how it speaks, written `/dev/ttyUSB0,2400,8E1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SerialPort {
    /// The device.
    pub path: PathBuf,
    /// Bits a second.
    pub baud: u32,
    /// Data bits of a character: 7 or 8.
    pub data_bits: u8,
    /// Its parity.
    pub parity: Parity,
    /// Its stop bits: 1 or 2.
    pub stop_bits: u8,
}

impl SerialPort {
    /// How long the line rests between two frames at least: three and a half characters, as Modbus has it, and never less than
    /// its 1.75 ms.
    pub fn rest(&self) -> Duration {
        let characters = Duration::from_micros(7 * MAX_CHARACTER_BITS * 1_000_000 / 2 / u64::from(self.baud));
        characters.max(Duration::from_micros(1_750))
    }
}

impl FromStr for SerialPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |what: &str| format!("{text:?} is no serial port: {what}; write for example /dev/ttyUSB0,2400,8E1");
        let mut parts = text.rsplitn(3, ',').map(str::trim);
        let (Some(format), Some(baud), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it has a device, a speed and a format"));
        };
        let baud = baud.parse().ok().filter(|baud| (50..=4_000_000).contains(baud));
        let baud = baud.ok_or_else(|| bad("the speed is 50 to 4000000 baud"))?;
        let [data_bits, parity, stop_bits] = format.as_bytes() else {
            return Err(bad("the format is like 8E1 or 8N1"));
        };
        let parity = match parity.to_ascii_uppercase() {
            b'N' => Parity::None,
            b'E' => Parity::Even,
            b'O' => Parity::Odd,
            _ => return Err(bad("the parity is N, E or O")),
        };
        let (data_bits, stop_bits) = (data_bits.wrapping_sub(b'0'), stop_bits.wrapping_sub(b'0'));
        if !matches!(data_bits, 7 | 8) || !matches!(stop_bits, 1 | 2) {
            return Err(bad("a character has 7 or 8 data bits and 1 or 2 stop bits"));
        }
        if path.is_empty() {
            return Err(bad("it names no device"));
        }
        Ok(Self { path: path.into(), baud, data_bits, parity, stop_bits })
    }
}

impl fmt::Display for SerialPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
        };
        write!(f, "{},{},{}{parity}{}", self.path.display(), self.baud, self.data_bits, self.stop_bits)
    }
}

impl<'de> Deserialize<'de> for SerialPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Opens `port` when a line needs it.
pub fn dial(port: SerialPort) -> Dial {
    let was_open = Arc::new(AtomicBool::new(false));
    Box::new(move || {
        let (port, was_open) = (port.clone(), was_open.clone());
        Box::pin(async move {
            let mut wire = SerialWire::open(&port)?;
            if was_open.swap(true, Ordering::Relaxed) {
                wire.wait_for_quiet().await?;
            }
            Ok(Box::new(wire) as Box<dyn Wire>)
        })
    })
}

/// An open terminal device, read and written without blocking.
#[derive(Debug)]
pub struct SerialWire {
    port: AsyncFd<File>,
}

impl SerialWire {
    /// Opens a port for this process alone and sets it up.
    pub fn open(port: &SerialPort) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = File::options().read(true).write(true).custom_flags(flags).open(&port.path)?;
        // Two programs on one line would take each other's answers. Only the system's administrator is let in all the same.
        termios::ioctl_tiocexcl(&file)?;
        let mut modes = termios::tcgetattr(&file)?;
        set_modes(&mut modes, port)?;
        termios::tcsetattr(&file, OptionalActions::Flush, &modes)?;
        Self::of(file)
    }

    /// A terminal device that is open already and does not block.
    pub fn of(file: File) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "a file owns its descriptor and keeps it; what succeeds this asks for an unsafe block"
        )]
        let port = AsyncFd::new(file)?;
        Ok(Self { port })
    }

    /// Waits until nothing has come for a while, and forgets what came.
    async fn wait_for_quiet(&mut self) -> io::Result<()> {
        let noise = async {
            let mut forgotten = [0; 512];
            while let Ok(read) = tokio::time::timeout(QUIET, self.read(&mut forgotten)).await {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok::<_, io::Error>(())
        };
        match tokio::time::timeout(NEVER_QUIET, noise).await {
            Ok(quiet) => quiet?,
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the line is never quiet")),
        }
        Ok(termios::tcflush(self.port.get_ref(), QueueSelector::IFlush)?)
    }
}

impl Drop for SerialWire {
    fn drop(&mut self) {
        // A real port forgets it when it is closed; a played one, whose other end stays open, does not.
        let _ = termios::ioctl_tiocnxcl(self.port.get_ref());
    }
}

fn set_modes(modes: &mut Termios, port: &SerialPort) -> io::Result<()> {
    modes.make_raw();
    modes.set_speed(port.baud)?;
    // No modem's wires: adapters have two of their own, or none.
    modes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    modes.control_modes -= ControlModes::CSIZE | ControlModes::PARENB | ControlModes::PARODD | ControlModes::CSTOPB;
    modes.control_modes -= ControlModes::CRTSCTS;
    modes.control_modes |= if port.data_bits == 7 { ControlModes::CS7 } else { ControlModes::CS8 };
    modes.control_modes |= match port.parity {
        Parity::None => ControlModes::empty(),
        Parity::Even => ControlModes::PARENB,
        Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
    };
    if port.stop_bits == 2 {
        modes.control_modes |= ControlModes::CSTOPB;
    }
    Ok(())
}

impl AsyncRead for SerialWire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.port.poll_read_ready(context))?;
            let unfilled = buffer.initialize_unfilled();
            if let Ok(read) = guard.try_io(|port| Ok(rustix::io::read(port.get_ref(), &mut *unfilled)?)) {
                buffer.advance(read?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for SerialWire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.port.poll_write_ready(context))?;
            if let Ok(written) = guard.try_io(|port| Ok(rustix::io::write(port.get_ref(), bytes)?)) {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A port that leads to this process: what simulated devices are on the other end of.
#[derive(Debug)]
pub struct PlayedPort {
    /// The devices' end.
    pub wire: SerialWire,
    /// What a gateway opens.
    pub path: PathBuf,
    /// Held open, so that the devices' end outlives a gateway that closes its own.
    _other: File,
}

impl PlayedPort {
    /// What a gateway writes down for it.
    pub fn port(&self) -> SerialPort {
        SerialPort { path: self.path.clone(), baud: 9_600, data_bits: 8, parity: Parity::Even, stop_bits: 1 }
    }

    /// Makes one.
    pub fn new() -> io::Result<Self> {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let path = ptsname(&near, Vec::new())?;
        let path = PathBuf::from(path.into_string().map_err(io::Error::other)?);
        let other = File::options().read(true).write(true).open(&path)?;
        let mut modes = termios::tcgetattr(&other)?;
        modes.make_raw();
        termios::tcsetattr(&other, OptionalActions::Now, &modes)?;
        rustix::io::ioctl_fionbio(&near, true)?;
        Ok(Self { wire: SerialWire::of(near.into())?, path, _other: other })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[test]
    fn a_port_is_read_as_it_is_written_down() {
        let port: SerialPort = "/dev/ttyUSB0,2400,8E1".parse().unwrap();
        let expected =
            SerialPort { path: "/dev/ttyUSB0".into(), baud: 2_400, data_bits: 8, parity: Parity::Even, stop_bits: 1 };
        assert_eq!((port.to_string().as_str(), &port), ("/dev/ttyUSB0,2400,8E1", &expected));
        assert_eq!(port.rest(), Duration::from_micros(17_500));
        assert_eq!("/dev/tty,115200,8n2".parse::<SerialPort>().unwrap().rest(), Duration::from_micros(1_750));
        for (text, said) in [
            ("/dev/ttyUSB0", "it has a device, a speed and a format"),
            ("/dev/ttyUSB0,fast,8E1", "the speed is"),
            ("/dev/ttyUSB0,49,8E1", "the speed is"),
            ("/dev/ttyUSB0,2400,8X1", "the parity is"),
            ("/dev/ttyUSB0,2400,9E1", "7 or 8 data bits"),
            ("/dev/ttyUSB0,2400,8E", "the format is"),
            (",2400,8E1", "it names no device"),
        ] {
            let error = text.parse::<SerialPort>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn bytes_of_every_value_go_both_ways_unchanged() {
        let mut played = PlayedPort::new().unwrap();
        let port = played.port();
        let mut wire = SerialWire::open(&port).unwrap();
        let all: Vec<u8> = (0..=255).collect();
        let mut came = vec![0; all.len()];
        wire.write_all(&all).await.unwrap();
        played.wire.read_exact(&mut came).await.unwrap();
        assert_eq!(came, all);
        played.wire.write_all(&all).await.unwrap();
        wire.read_exact(&mut came).await.unwrap();
        assert_eq!(came, all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_is_opened_again_forgets_what_came_too_late() {
        let mut played = PlayedPort::new().unwrap();
        let dial = dial(played.port());
        drop(dial().await.unwrap());
        played.wire.write_all(b"too late").await.unwrap();
        let mut wire = dial().await.unwrap();
        played.wire.write_all(b"now").await.unwrap();
        let mut came = [0; 3];
        wire.read_exact(&mut came).await.unwrap();
        assert_eq!(&came, b"now");
    }
}
