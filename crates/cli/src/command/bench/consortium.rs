//! The members' processes of `utilidor bench --layer consortium`.

use crate::command::demo::{PASSPHRASE, keep_key};
use crate::command::network::founding::write_json;
use crate::command::network::local::{LocalNode, Running};
use crate::command::node::VALIDATOR;
use crate::failure::Failure;
use crate::node_file::{NodeFile, PeerNode, make_guard};
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use utilidor_bench::consortium::{Machines, Seat};
use utilidor_chain::write_durably;
use utilidor_types::{Genesis, PrivateKey, PublicKey};

/// This program, once for each member.
pub struct Processes;

impl Machines for Processes {
    fn start(
        &self,
        folder: &Path,
        genesis: &Genesis,
        seats: &[Seat],
        watcher: (&PublicKey, SocketAddr),
    ) -> io::Result<Box<dyn Any>> {
        let passphrase = folder.join("passphrase");
        write_durably(&passphrase, PASSPHRASE.as_bytes())?;
        let start = |(number, seat)| start(folder, genesis, number, seat, watcher);
        let running: Result<Vec<Running>, Failure> = seats.iter().enumerate().map(start).collect();
        Ok(Box::new(running.map_err(|failure| io::Error::other(failure.what().to_owned()))?))
    }
}

fn start(
    data: &Path,
    genesis: &Genesis,
    number: usize,
    seat: &Seat,
    watcher: (&PublicKey, SocketAddr),
) -> Result<Running, Failure> {
    let name = format!("member-{}", number + 1);
    let folder = data.join(&name);
    let key = PrivateKey::ed25519(seat.secret).public_key();
    keep_key(&folder, VALIDATOR, &seat.secret)?;
    make_guard(&folder, &key)?;
    let peers = vec![PeerNode { key: *watcher.0, address: watcher.1.into() }];
    NodeFile { listen: seat.listen, http: seat.http, allow_hosts: Vec::new(), traces: None, follower: false, peers }
        .write(&folder)?;
    write_json(&folder.join("genesis.json"), genesis)?;
    let (http, listen) = (seat.http, seat.listen);
    Running::start(LocalNode { name, folder, is_member: true, http, listen, key, account: None }, data)
}
