//! Processes as the kernel shows them: who started whom, and who is still there.

use std::fs;

/// A process and all its descendants.
pub(super) fn family(of: u32) -> Vec<u32> {
    let mut family = descendants(of);
    family.push(of);
    family
}

/// The children of a process, their children, and so on.
fn descendants(of: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, status(id)?.parent)))
        .collect();
    let mut found = vec![of];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(id, _)| id));
        next += 1;
    }
    found.split_off(1)
}

/// Whether a process is there and more than the memory of one that ended.
pub(super) fn is_alive(id: u32) -> bool {
    status(id).is_some_and(|status| status.state != 'Z')
}

struct Status {
    state: char,
    parent: u32,
}

/// The fields after the name in `/proc/<id>/stat`, see proc(5).
fn status(id: u32) -> Option<Status> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    Some(Status {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
    })
}
