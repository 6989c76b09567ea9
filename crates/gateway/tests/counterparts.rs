//! The pollers' questions against servers that others wrote: what we build is understood, what they answer is read.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_modbus::server::{Service, rtu_over_tcp, tcp};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use utilidor_gateway::config::{BusProtocol, Config};
use utilidor_gateway::device::{self, Numbers};
use utilidor_gateway::line::{self, Line, Patience};

/// Unit 1 has the number 100,000 in input registers 34 and 35 hex, low word first; it has nothing else.
#[derive(Debug, Clone)]
struct Meter;

impl Service for Meter {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Self::Response, Self::Exception>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        std::future::ready(match request {
            SlaveRequest { slave: 1, request: Request::ReadInputRegisters(0x34, 2) } => {
                Ok(Some(Response::ReadInputRegisters(vec![0x86a0, 0x0001])))
            }
            SlaveRequest { slave: 1, .. } => Err(ExceptionCode::IllegalDataAddress),
            _ => Ok(None),
        })
    }
}

fn accept(_: SocketAddr) -> std::io::Result<Option<Meter>> {
    Ok(Some(Meter))
}

async fn served(protocol: BusProtocol) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        if protocol == BusProtocol::ModbusTcp {
            let connected = |stream, from| async move { tcp::accept_tcp_connection(stream, from, accept) };
            tcp::Server::new(listener).serve(&connected, |_| {}).await
        } else {
            let connected = |stream, from| async move { rtu_over_tcp::accept_tcp_connection(stream, from, accept) };
            rtu_over_tcp::Server::new(listener).serve(&connected, |_| {}).await
        }
    });
    address
}

fn config(protocol: BusProtocol, profile: &str) -> Config {
    let text = format!(
        "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"{protocol}\"\naddress = \"h:1\"\n[[meter]]\nid = \"{}\"\nbus = \
         \"b\"\nunit = \"1\"\nprofile = \"{profile}\"\n",
        "01".repeat(16)
    );
    Config::read(&text, Path::new("")).unwrap()
}

#[tokio::test]
async fn registers_are_read_from_another_makers_server_in_both_framings() {
    for protocol in [BusProtocol::ModbusTcp, BusProtocol::ModbusRtu] {
        let patience = Patience { timeout: Duration::from_secs(30), pause: Duration::ZERO, echo: false };
        let mut line = Line::new(line::tcp(served(protocol).await, patience.timeout), patience);
        let mut numbers = Numbers::default();
        let known = config(protocol, "carlo-gavazzi-em340");
        for _ in 0..3 {
            let look = device::look(&mut line, protocol, &known.meters[0], &mut numbers).await.unwrap();
            assert_eq!(look.quantity.0, 10_000 * 3_600_000, "{protocol}");
        }
        let other = config(protocol, "abb-b23");
        let refused = device::look(&mut line, protocol, &other.meters[0], &mut numbers).await.unwrap_err();
        assert_eq!((refused.code(), refused.answer().is_some()), ("frame/device-error", true), "{protocol}");
        // A refusal ends the connection; the next question opens another.
        assert!(device::look(&mut line, protocol, &known.meters[0], &mut numbers).await.is_ok());
    }
}
