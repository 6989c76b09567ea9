//! A SunSpec device as its owner published its registers, behind a Modbus server that others wrote.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_modbus::server::{Service, rtu_over_tcp, tcp};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use utilidor_gateway::config::{BusProtocol, Config, Meter, UnitAddress};
use utilidor_gateway::device::{self, Look, LookError, Numbers};
use utilidor_gateway::line::{self, Line, Patience};
use utilidor_gateway::probe::{self, Question};
use utilidor_gateway::profile::{Profiles, Ratio};
use utilidor_gateway::protocol::sunspec::{self, Energy, Wanted};

const PUBLISHED: &str = include_str!("data/sunspec-solaredge.tsv");
/// The registers that the owner's lists reach to, as the models' lengths have it.
const LAST: u16 = 40_296;

/// The published registers. The meter's energies, which the lists leave out, are those of another SolarEdge meter: issue 479 of
/// <https://github.com/WillCodeForCats/solaredge-modbus-multi>.
fn published() -> BTreeMap<u16, u16> {
    let mut registers: BTreeMap<u16, u16> = (40_000..=LAST).map(|register| (register, 0)).collect();
    for line in PUBLISHED.lines().filter(|line| !line.starts_with('#')) {
        let (register, value) = line.split_once('\t').unwrap();
        registers.insert(register.parse().unwrap(), value.parse().unwrap());
    }
    // Model 203 has 105 registers; then the chain ends.
    registers.insert(40_189, 105);
    registers.insert(40_295, 0xffff);
    for (register, value) in [(40_226, 0x0222_6888u32), (40_234, 0x019e_5580)] {
        registers.insert(register, (value >> 16) as u16);
        registers.insert(register + 1, value as u16);
    }
    registers
}

/// Unit 1 has holding registers, and no others.
#[derive(Debug, Clone)]
struct Device(Arc<BTreeMap<u16, u16>>);

impl Service for Device {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Self::Response, Self::Exception>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        let SlaveRequest { slave: 1, request: Request::ReadHoldingRegisters(first, count) } = request else {
            return std::future::ready(Ok(None));
        };
        let registers: Option<Vec<u16>> =
            (first..first.saturating_add(count)).map(|register| self.0.get(&register).copied()).collect();
        std::future::ready(match registers {
            Some(registers) => Ok(Some(Response::ReadHoldingRegisters(registers))),
            None => Err(ExceptionCode::IllegalDataAddress),
        })
    }
}

async fn served(protocol: BusProtocol, registers: BTreeMap<u16, u16>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let device = Device(Arc::new(registers));
    tokio::spawn(async move {
        let accept = move |_: SocketAddr| std::io::Result::Ok(Some(device.clone()));
        if protocol == BusProtocol::ModbusTcp {
            let connected = |stream, from| {
                let accept = accept.clone();
                async move { tcp::accept_tcp_connection(stream, from, accept) }
            };
            tcp::Server::new(listener).serve(&connected, |_| {}).await
        } else {
            let connected = |stream, from| {
                let accept = accept.clone();
                async move { rtu_over_tcp::accept_tcp_connection(stream, from, accept) }
            };
            rtu_over_tcp::Server::new(listener).serve(&connected, |_| {}).await
        }
    });
    address
}

fn line_to(address: &str) -> Line {
    let patience = Patience { timeout: Duration::from_secs(30), pause: Duration::ZERO, echo: false };
    Line::new(line::tcp(address.into(), patience.timeout), patience)
}

fn meter(protocol: BusProtocol, profile: &str) -> Meter {
    let text = format!(
        "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"{protocol}\"\naddress = \"h:1\"\n[[meter]]\nid = \"{}\"\nbus = \
         \"b\"\nunit = \"1\"\nprofile = \"{profile}\"\n",
        "01".repeat(16)
    );
    Config::read(&text, Path::new("")).unwrap().meters.remove(0)
}

async fn look(address: &str, protocol: BusProtocol, profile: &str) -> Result<Look, LookError> {
    device::look(&mut line_to(address), protocol, &meter(protocol, profile), &mut Numbers::default()).await
}

#[tokio::test]
async fn each_device_of_a_published_chain_is_found_with_its_counter_and_its_own_number() {
    for protocol in [BusProtocol::ModbusTcp, BusProtocol::ModbusRtu] {
        let address = served(protocol, published()).await;
        for (profile, energy, watt_hours, number) in [
            ("sunspec-inverter", Energy::Produced, 2 * 65_536 + 43_830, "74075908"),
            ("sunspec-meter-import", Energy::Imported, 0x019e_5580, "606954845"),
            ("sunspec-meter-export", Energy::Exported, 0x0222_6888, "606954845"),
        ] {
            let look = look(&address, protocol, profile).await.unwrap();
            assert_eq!(look.quantity.0, watt_hours * 3_600, "{profile}");
            assert_eq!(device::number_in(&look.telegram).as_deref(), Some(number), "{profile}");
            // The evidence says it again without the device.
            let again = sunspec::decode(&look.answer, Wanted { energy, nth: 1 }).unwrap();
            assert_eq!(again.register(), look.telegram.register());
        }
        let inverter = look(&address, protocol, "sunspec-inverter").await.unwrap().telegram;
        let shown: Vec<_> =
            inverter.records.iter().map(|record| format!("{} {}", record.what, record.content)).collect();
        assert_eq!(
            shown,
            [
                "energy_produced 174902 Wh",
                "power 1840.2 W",
                "device_number 74075908",
                "device SolarEdge SE10000H-AUSNBBX14"
            ]
        );
    }
}

#[tokio::test]
async fn a_chain_can_begin_elsewhere_and_where_there_is_none_it_is_said() {
    let protocol = BusProtocol::ModbusTcp;
    for base in [0, 50_000] {
        let moved = published().into_iter().map(|(register, value)| (register - 40_000 + base, value)).collect();
        let look = look(&served(protocol, moved).await, protocol, "sunspec-inverter").await.unwrap();
        assert_eq!(look.quantity.0, 174_902 * 3_600);
    }
    let refused = look(&served(protocol, BTreeMap::new()).await, protocol, "sunspec-inverter").await.unwrap_err();
    assert_eq!(refused.code(), "frame/device-error");
    let other = [0, 40_000, 50_000].into_iter().flat_map(|base| [(base, 1), (base + 1, 2)]).collect();
    let refused = look(&served(protocol, other).await, protocol, "sunspec-inverter").await.unwrap_err();
    assert_eq!(refused.code(), "frame/wrong-subject");
}

#[tokio::test]
async fn a_device_that_wakes_up_shows_no_register() {
    // binsentsu/home-assistant-solaredge-modbus, issue 127: every night all registers are 65535 or 32768 for a while, or 0.
    let protocol = BusProtocol::ModbusTcp;
    for (value, scale, code) in [(0xffff, 0x8000, "register/invalid"), (0, 0, "register/absent")] {
        let mut registers = published();
        for register in [40_093, 40_094] {
            registers.insert(register, value);
        }
        registers.insert(40_095, scale);
        let refused = look(&served(protocol, registers).await, protocol, "sunspec-inverter").await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
}

#[tokio::test]
async fn a_published_device_is_probed_to_a_meter_that_can_be_written_down() {
    let address = served(BusProtocol::ModbusTcp, published()).await;
    let question = Question {
        protocol: BusProtocol::ModbusTcp,
        unit: Some(UnitAddress::Modbus(1)),
        carrier: None,
        profile: Profiles::builtin().get("sunspec-inverter").cloned(),
        ratio: Ratio::default(),
        registers: None,
    };
    let builtin = |name: &str| Profiles::builtin().get(name).unwrap().clone();
    let report = probe::probe(&mut line_to(&address), "roof", &question, builtin).await;
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.number.as_deref(), Some("74075908"));
    assert!(report.meter.unwrap().contains("profile = \"sunspec-inverter\""));
}
