//! The simulated charging stations of a site, and the commands that they take.

use super::station::{Showing, Station, StationError};
use super::{CommandError, Simulator};
use crate::config::{BusProtocol, Config, Place};
use crate::profile::Register;
use crate::protocol::ocpp::Version;
use std::collections::{BTreeMap, BTreeSet};
use utilidor_types::MeterId;
use utilidor_types::quantity::JOULES_PER_WATT_HOUR;

/// A meter in a station.
struct Connector {
    meter: MeterId,
    /// Bus and station.
    station: String,
    connector: u32,
}

/// The stations of a configuration.
pub struct Stations {
    stations: BTreeMap<String, Station>,
    /// Those that were sent offline: they stay it until they are sent online.
    sent_offline: BTreeSet<String>,
    places: Vec<Connector>,
    simulator: Simulator,
}

impl Stations {
    /// The stations whose meters a configuration has, offline; registers are the simulator's.
    pub fn new(config: &Config, simulator: Simulator, version: Version) -> Self {
        let mut stations: BTreeMap<String, Station> = BTreeMap::new();
        let mut places = Vec::new();
        for bus in config.buses.iter().filter(|bus| bus.protocol == BusProtocol::Ocpp) {
            let Place::Tcp(address) = &bus.place else { continue };
            for meter in config.meters_of(&bus.name) {
                let unit = meter.address();
                let Some((name, connector)) = unit.rsplit_once('/') else { continue };
                let Ok(connector) = connector.parse() else { continue };
                let station = format!("{}/{name}", bus.name);
                places.push(Connector { meter: meter.id, station: station.clone(), connector });
                if stations.contains_key(&station) {
                    continue;
                }
                let signs = matches!(meter.profile.register, Register::Ocpp { signed: true });
                // It protects nothing: a key that is the same in every run can be registered once.
                let secret: Option<[u8; 32]> =
                    if signs { <[u8; 32]>::try_from([meter.id.0, meter.id.0].concat()).ok() } else { None };
                let password = bus.login.as_ref().map(|(_, password)| password.clone());
                if let Some(made) = Station::new(name, version, address, password, secret) {
                    stations.insert(station, made);
                }
            }
        }
        Self { stations, sent_offline: BTreeSet::new(), places, simulator }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stations.is_empty()
    }

    /// Brings those online that should be, if their central system is there; which are not, and why.
    pub async fn online(&mut self) -> Vec<(String, String)> {
        let mut not = Vec::new();
        for (name, station) in &mut self.stations {
            if !station.is_online()
                && !self.sent_offline.contains(name)
                && let Err(error) = station.online().await
            {
                not.push((name.clone(), error.to_string()));
            }
        }
        not
    }

    /// Does what a line of text says; the answer is for people. None if it is no command of a station's.
    pub async fn command(&mut self, line: &str) -> Option<Result<String, CommandError>> {
        let words: Vec<_> = line.split_whitespace().collect();
        let (verb, name, token) = match words[..] {
            ["begin", name, token] => ("begin", name, token),
            [verb @ ("tell" | "end" | "again" | "offline" | "online" | "key"), name] => (verb, name, ""),
            _ => return None,
        };
        Some(self.act(verb, name, token).await.map(|done| done.unwrap_or_else(|| format!("done: {line}"))))
    }

    async fn act(&mut self, verb: &str, name: &str, token: &str) -> Result<Option<String>, CommandError> {
        let is_meant = |place: &&Connector| {
            place.meter.to_string() == name || format!("{}/{}", place.station, place.connector) == name
        };
        let place = self.places.iter().find(is_meant).ok_or_else(|| CommandError::NoMeter(name.into()))?;
        let (key, meter, connector) = (place.station.clone(), place.meter, place.connector);
        let failed = |error: StationError| CommandError::Value(error.to_string());
        let joules = self.simulator.shows(meter).unwrap_or_default();
        let showing =
            Showing { connector, time_ms: self.simulator.now_ms(), watt_hours: joules / JOULES_PER_WATT_HOUR };
        let station = self.stations.get_mut(&key).ok_or_else(|| CommandError::NoMeter(name.into()))?;
        match verb {
            "offline" => {
                station.offline();
                self.sent_offline.insert(key);
                return Ok(None);
            }
            "key" => {
                let none = || CommandError::Value(format!("{name} signs nothing: its profile is not ocpp-signed"));
                return station.key().ok_or_else(none).map(Some);
            }
            "online" => {
                self.sent_offline.remove(&key);
            }
            _ => {}
        }
        if !station.is_online() && !self.sent_offline.contains(&key) {
            station.online().await.map_err(failed)?;
        }
        match verb {
            "begin" => station.begin(token, showing).await.map_err(failed)?,
            "tell" => station.value(showing).await.map_err(failed)?,
            "end" => station.end(showing).await.map_err(failed)?,
            "again" => drop(station.replay().await.map_err(failed)?),
            _ => {}
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Stations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stations").field("stations", &self.stations).finish_non_exhaustive()
    }
}
