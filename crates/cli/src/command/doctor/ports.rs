//! Who has a node's folder and its ports, as the system tells it.

use super::{Checks, Verdict};
use crate::causes::system;
use crate::said;
use crate::sentence::Said;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// Whether this folder's node runs.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// It answers where it is looked for.
    pub answers: bool,
    /// The process that has the folder's chain open, as far as the system tells.
    pub runner: Option<u32>,
}

/// Whether the node can listen at an address, and if not, who does.
pub fn port(check: Said, address: SocketAddr, node: Node, elsewhere: &Said, checks: &mut Checks) {
    match TcpListener::bind(address) {
        Ok(_) => checks.say(check, Verdict::Good, said!("{address} is free", "{address} 空闲")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let holder = holder_of(address.port());
            let by = match &holder {
                None => said!("a process that is not told", "未知的进程"),
                Some((pid, name)) => said!("{name}, process {pid}", "{name}（进程 {pid}）"),
            };
            let held = said!("{address} is held by {by}", "{address} 被{by}占用");
            let own = || said!("{held}: this folder's node", "{held}：即此文件夹的节点");
            match (node, holder) {
                // While it starts it holds its ports and answers nothing.
                (Node { answers: true, .. }, _) => {
                    checks.say(check, Verdict::Good, own());
                }
                (Node { runner: Some(runner), .. }, Some((pid, _))) if runner == pid => {
                    checks.say(check, Verdict::Good, own());
                }
                (Node { runner: Some(_), .. }, _) => {
                    let found =
                        said!("{held}, while this folder's node runs elsewhere", "{held}，而此文件夹的节点在别处运行");
                    checks.say(check, Verdict::Unknown, found);
                }
                (Node { runner: None, .. }, _) => checks.advise(check, Verdict::Bad, held, elsewhere.clone()),
            }
        }
        Err(error) => checks.advise(
            check,
            Verdict::Bad,
            said!("{address} cannot be listened on: {}", "无法监听 {address}：{}", system(&error)),
            said!(
                "take an address of this machine, and a port above 1023: {elsewhere}",
                "请用本机的地址，以及大于 1023 的端口：{elsewhere}"
            ),
        ),
    }
}

/// The process that has the chain of a node's folder open, as Linux tells it. The lock itself is not tried: that could keep a
/// node from starting.
pub fn runner(data: &Path) -> Option<u32> {
    let lock = data.join("chain/lock").canonicalize().ok()?;
    has_open(&lock).map(|(process, _)| process)
}

/// Process and name of who listens on a TCP port of this machine, as Linux tells it.
fn holder_of(port: u16) -> Option<(u32, String)> {
    const LISTENING: &str = "0A";
    let end = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let inode = tables.iter().flat_map(|table| table.lines()).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        (local.ends_with(&end) && *state == LISTENING).then(|| (*inode).to_owned())
    })?;
    has_open(Path::new(&format!("socket:[{inode}]")))
}

/// Process and name of who has a file or socket open, as Linux tells it.
fn has_open(what: &Path) -> Option<(u32, String)> {
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let has = |file: std::fs::DirEntry| std::fs::read_link(file.path()).is_ok_and(|to| to == what);
        if files.flatten().any(has) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().into()));
        }
    }
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_own_node_is_known_by_its_folder_before_it_answers_and_a_stranger_is_not_to_be_stopped() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(runner(data.path()), None, "there is no chain");
        std::fs::create_dir(data.path().join("chain")).unwrap();
        let lock = std::fs::File::create(data.path().join("chain/lock")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let checked = || {
            let mut checks = Checks::default();
            let node = Node { answers: false, runner: runner(data.path()) };
            let next = said!("listen elsewhere", "在别处监听");
            port(said!("http port", "HTTP 端口"), listener.local_addr().unwrap(), node, &next, &mut checks);
            checks.0.remove(0)
        };
        assert_eq!((checked().verdict, checked().next), (Verdict::Good, None));
        drop(lock);
        assert_eq!((checked().verdict, checked().next), (Verdict::Bad, Some(said!("listen elsewhere", "在别处监听"))));
    }
}
