//! `node.toml`: what a member's or a follower's node has to know besides its genesis document and its keys.
//!
//! ```toml
//! listen = "0.0.0.0:4700"     # where the other members' nodes reach this one
//! http = "127.0.0.1:4680"     # where its HTTP interface listens
//! allow_hosts = ["node.north.example"]
//! traces = "http://127.0.0.1:4318/v1/traces"    # a collector of OpenTelemetry, by OTLP over HTTP
//!
//! follower = true             # it never votes, whatever the council decides
//!
//! [[peer]]                    # a node that is no validator: a follower, or a member that is not appointed yet
//! key = "ed25519:12ab..."
//! address = "follower.example:4700"
//! ```
//!
//! Unless the file says that it is a follower, a node votes in every epoch whose validators its key is among, and follows in the
//! others. Its votes are recorded in the vote guard beside its key before they are signed.

use crate::command::node::read_genesis;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::warn;
use crate::said;
use crate::sentence::Said;
use serde::{Deserialize, Serialize};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use utilidor_chain::{Config, GuardError, Peer, Role};
use utilidor_types::{Genesis, NodeAddress, PublicKey};

/// Name of the file in a node's folder.
pub const NODE_FILE: &str = "node.toml";

/// A node that the genesis document does not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerNode {
    /// Its key.
    pub key: PublicKey,
    /// Where it is reached.
    pub address: NodeAddress,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// Where the other members' nodes reach this one.
    pub listen: SocketAddr,
    /// Where the HTTP interface listens.
    #[serde(default = "default_http")]
    pub http: SocketAddr,
    /// Names that the node goes by, besides its addresses and localhost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_hosts: Vec<String>,
    /// Where traces go: a collector's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<String>,
    /// Whether it never votes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follower: bool,
    /// Nodes that the genesis document does not name.
    #[serde(default, rename = "peer", skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerNode>,
}

fn default_http() -> SocketAddr {
    ([127, 0, 0, 1], 4_680).into()
}

impl NodeFile {
    /// The file of a node's folder, if there is one.
    pub fn of_folder(data: &Path) -> Result<Option<Self>, Failure> {
        let path = data.join(NODE_FILE);
        if path.exists() { Self::read(&path).map(Some) } else { Ok(None) }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::from_error("file", said!("could not read {}", "无法读取 {}", path.display()), &error)
        })?;
        toml::from_str(&text).map_err(|error| {
            let error = error.to_string();
            let (path, error) = (path.display(), error.trim_end());
            Failure::usage(said!("{path} is no node's file: {error}", "{path} 不是有效的节点文件：{error}")).next(
                said!(
                    "a valid one: listen = \"0.0.0.0:4700\" and http = \"127.0.0.1:4680\", a line each",
                    "有效示例：listen = \"0.0.0.0:4700\" 和 http = \"127.0.0.1:4680\"，各占一行"
                ),
            )
        })
    }

    /// Writes it into a node's folder.
    pub fn write(&self, data: &Path) -> Result<(), Failure> {
        let path = data.join(NODE_FILE);
        let text = toml::to_string_pretty(self).expect("a node's file is plain data");
        utilidor_chain::write_durably(&path, text.as_bytes()).map_err(|error| {
            Failure::from_error("file", said!("could not write {}", "无法写入 {}", path.display()), &error)
        })
    }

    /// The other nodes: the validators that the genesis document names, and the file's own.
    pub fn others(&self, genesis: &Genesis, own: &PublicKey) -> Vec<PeerNode> {
        let named = genesis
            .validators
            .iter()
            .filter_map(|validator| Some(PeerNode { key: validator.key, address: validator.address.clone()? }));
        // What the file says of a node comes later than the document.
        let mut others: Vec<PeerNode> = self.peers.clone();
        for node in named {
            if !others.iter().any(|other| other.key == node.key) {
                others.push(node);
            }
        }
        others.retain(|other| other.key != *own);
        others
    }
}

/// Where to listen, as the command line says it: an address of this machine, or a name of it such as `localhost`.
pub fn listen_address(text: &str) -> Result<SocketAddr, Said> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let found: Vec<SocketAddr> = text.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    // What is written elsewhere, and taken unless said otherwise, is 127.0.0.1.
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| {
        said!(
            "{text:?} is no address to listen on: write for example 127.0.0.1:4680",
            "{text:?} 不是可监听的地址：例如写 127.0.0.1:4680"
        )
    })
}

/// Where a node is, as an address; its name is asked for.
pub fn resolve(node: &PeerNode) -> Option<SocketAddr> {
    node.address.socket().or_else(|| node.address.parts().to_socket_addrs().ok()?.next())
}

/// Where the vote guard of a node's folder is: beside the key.
pub fn guard_path(data: &Path) -> PathBuf {
    data.join("keys").join("validator.votes")
}

/// Makes the vote guard of a node's folder for the node's key, unless it is there.
pub fn make_guard(data: &Path, key: &PublicKey) -> Result<(), Failure> {
    let PublicKey::Ed25519(key) = key else { return Ok(()) };
    match utilidor_chain::create_guard(&guard_path(data), key) {
        Ok(()) | Err(GuardError::Exists { .. }) => Ok(()),
        Err(error) => {
            Err(Failure::from_error("guard", said!("the vote guard could not be made", "无法建立投票护卫文件"), &error))
        }
    }
}

/// How the node of a folder is set up; asks for the passphrase of its key. Without its file, one among several only opens what
/// it has, and takes no part.
pub fn chain_config(data: &Path, file: Option<&NodeFile>, context: &Context) -> Result<Config, Failure> {
    let genesis = read_genesis(data)?;
    let secret = context.node_secret()?;
    let chain = data.join("chain");
    let mut config = match file {
        None if genesis.validators.len() == 1 => Config::alone(chain, genesis, *secret),
        None => Config::follower(chain, genesis, *secret),
        Some(file) if file.follower => Config::follower(chain, genesis, *secret),
        Some(_) => Config::member(chain, genesis, *secret, guard_path(data)),
    };
    if let Some(file) = file {
        config.listen = file.listen;
        config.peers = file.peers.iter().filter_map(peer).collect();
    }
    Ok(config)
}

fn peer(node: &PeerNode) -> Option<Peer> {
    let PublicKey::Ed25519(key) = node.key else {
        warn(&said!(
            "the key of the node at {0} is no Ed25519 key: it is left out",
            "位于 {0} 的节点，其密钥不是 Ed25519 密钥：已略过该节点",
            node.address
        ));
        return None;
    };
    Some(Peer { key, address: Some(node.address.clone()) })
}

/// Lets a member's node vote although its vote guard is lost.
pub fn allow_without_guard(config: &mut Config) {
    if let Role::Member { without_guard, .. } = &mut config.role {
        *without_guard = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_s_file_is_read_strictly_and_tells_what_is_wrong() {
        let good: NodeFile = toml::from_str("listen = \"127.0.0.1:4700\"").unwrap();
        assert_eq!(good.http, default_http());
        let key = format!("ed25519:{}", "0f".repeat(32));
        let text = format!("listen = \"0.0.0.0:1\"\n[[peer]]\nkey = \"{key}\"\naddress = \"a.example:4700\"\n");
        let with_peer: NodeFile = toml::from_str(&text).unwrap();
        assert_eq!((with_peer.peers.len(), with_peer.traces.clone()), (1, None));
        assert_eq!(toml::from_str::<NodeFile>(&toml::to_string_pretty(&with_peer).unwrap()).unwrap(), with_peer);
        for bad in ["", "listen = 1", "listen = \"127.0.0.1\"", "listen = \"127.0.0.1:1\"\nhtpp = \"127.0.0.1:2\""] {
            assert!(toml::from_str::<NodeFile>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_listens_at_an_address_or_a_name_of_the_machine() {
        assert_eq!(listen_address("127.0.0.1:0"), Ok(SocketAddr::from(([127, 0, 0, 1], 0))));
        assert!(listen_address("localhost:4691").unwrap().ip().is_loopback());
        for bad in ["", "4691", "127.0.0.1"] {
            assert!(
                listen_address(bad).unwrap_err().to_string().contains("write for example 127.0.0.1:4680"),
                "{bad:?}"
            );
        }
    }
}
