//! Names and directories of the file system in memory.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::super::descriptor::{Ident, Object, open_numbers};
use super::ident_of;

/// The number of a node; never given twice.
pub(super) type NodeId = u64;

/// The root directory, which is also the working directory.
pub(super) const ROOT: NodeId = 1;

/// A file or a directory.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) what: What,
    pub(super) mode: libc::mode_t,
    pub(super) links: u32,
    /// When the content was changed, in virtual nanoseconds.
    pub(super) changed: u64,
    /// The content; that of a directory is there so that it can be opened.
    content: OwnedFd,
}

#[derive(Debug)]
pub(super) enum What {
    File,
    Dir(Dir),
}

#[derive(Debug)]
pub(super) struct Dir {
    parent: NodeId,
    names: BTreeMap<Vec<u8>, NodeId>,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) parent: NodeId,
    /// The last name; empty if the path ends in the root, `.` or `..`.
    pub(super) name: Vec<u8>,
    pub(super) node: Option<NodeId>,
    /// The path ends with a slash.
    pub(super) must_be_dir: bool,
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    idents: BTreeMap<Ident, NodeId>,
    next: NodeId,
}

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Self {
        let mut tree = Self {
            nodes: BTreeMap::new(),
            idents: BTreeMap::new(),
            next: ROOT,
        };
        let dir = Dir {
            parent: ROOT,
            names: BTreeMap::new(),
        };
        tree.insert(What::Dir(dir), 0o755, root, 0);
        tree
    }

    fn insert(&mut self, what: What, mode: libc::mode_t, content: OwnedFd, now: u64) -> NodeId {
        let id = self.next;
        self.next += 1;
        if let Some(ident) = ident_of(&content) {
            self.idents.insert(ident, id);
        }
        let node = Node {
            what,
            mode,
            links: 1,
            changed: now,
            content,
        };
        self.nodes.insert(id, node);
        id
    }

    /// A new file in a directory, or in none.
    pub(super) fn add_file(
        &mut self,
        parent: NodeId,
        name: Option<&[u8]>,
        mode: libc::mode_t,
        content: OwnedFd,
        now: u64,
    ) -> NodeId {
        let id = self.insert(What::File, mode, content, now);
        match (name, self.names_mut(parent)) {
            (Some(name), Some(names)) => {
                names.insert(name.to_vec(), id);
            }
            _ => self.set_links(id, 0),
        }
        id
    }

    /// A new directory in a directory.
    pub(super) fn add_dir(
        &mut self,
        parent: NodeId,
        name: &[u8],
        mode: libc::mode_t,
        place: OwnedFd,
    ) -> NodeId {
        let dir = Dir {
            parent,
            names: BTreeMap::new(),
        };
        let id = self.insert(What::Dir(dir), mode & 0o7777, place, 0);
        if let Some(names) = self.names_mut(parent) {
            names.insert(name.to_vec(), id);
        }
        id
    }

    fn dir(&self, id: NodeId) -> Option<&Dir> {
        match &self.nodes.get(&id)?.what {
            What::Dir(dir) => Some(dir),
            What::File => None,
        }
    }

    fn names_mut(&mut self, id: NodeId) -> Option<&mut BTreeMap<Vec<u8>, NodeId>> {
        match &mut self.nodes.get_mut(&id)?.what {
            What::Dir(dir) => Some(&mut dir.names),
            What::File => None,
        }
    }

    fn set_links(&mut self, id: NodeId, links: u32) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.links = links;
        }
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    pub(super) fn descriptor(&self, id: NodeId) -> Option<RawFd> {
        Some(self.nodes.get(&id)?.content.as_raw_fd())
    }

    pub(super) fn by_ident(&self, ident: Ident) -> Option<NodeId> {
        self.idents.get(&ident).copied()
    }

    pub(super) fn is_dir(&self, id: NodeId) -> bool {
        self.nodes.get(&id).is_some_and(Node::is_dir)
    }

    pub(super) fn is_empty_dir(&self, id: NodeId) -> bool {
        self.dir(id).is_some_and(|dir| dir.names.is_empty())
    }

    pub(super) fn child(&self, dir: NodeId, name: &[u8]) -> Option<NodeId> {
        self.dir(dir)?.names.get(name).copied()
    }

    /// The content of a node changes.
    pub(super) fn touch(&mut self, id: NodeId, now: u64) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.changed = now;
        }
    }

    /// How many bytes all files have together.
    pub(super) fn bytes(&self) -> u64 {
        let sizes = self.nodes.values().filter(|node| !node.is_dir());
        sizes
            .filter_map(|node| Object::of(node.content.as_raw_fd()))
            .map(|object| object.size)
            .sum()
    }

    /// Whether a path leads above where it begins.
    pub(super) fn escapes(path: &[u8]) -> bool {
        let mut depth = 0_i64;
        for name in path.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => depth -= 1,
                _ => depth += 1,
            }
            if depth < 0 {
                return true;
            }
        }
        false
    }

    /// Follows a path from `start`; `..` in `root` stays there.
    pub(super) fn walk(&self, start: NodeId, path: &[u8], root: NodeId) -> Result<Found, i32> {
        let names = path.split(|byte| *byte == b'/');
        let names: Vec<&[u8]> = names
            .filter(|name| !name.is_empty() && *name != b".")
            .collect();
        let must_be_dir = path.ends_with(b"/") || path.ends_with(b"/.");
        let mut here = start;
        for (index, name) in names.iter().enumerate() {
            let dir = self.dir(here).ok_or(libc::ENOTDIR)?;
            if *name == b".." {
                here = if here == root { root } else { dir.parent };
                continue;
            }
            if name.len() > 255 {
                return Err(libc::ENAMETOOLONG);
            }
            let node = dir.names.get(*name).copied();
            if index + 1 == names.len() {
                return Ok(Found {
                    parent: here,
                    name: name.to_vec(),
                    node,
                    must_be_dir,
                });
            }
            here = node.ok_or(libc::ENOENT)?;
        }
        Ok(Found {
            parent: here,
            name: Vec::new(),
            node: Some(here),
            must_be_dir,
        })
    }

    /// Takes a name away. The node goes with it, unless it is a file that is open.
    pub(super) fn unlink(&mut self, parent: NodeId, name: &[u8]) {
        let removed = self.names_mut(parent).and_then(|names| names.remove(name));
        if let Some(id) = removed {
            self.set_links(id, 0);
            self.purge();
        }
    }

    /// Lets go of nodes that have no name and are not open.
    pub(super) fn purge(&mut self) {
        let nameless = self.nodes.iter().filter(|(_, node)| node.links == 0);
        let nameless: Vec<NodeId> = nameless.map(|(id, _)| *id).collect();
        if nameless.is_empty() {
            return;
        }
        let open: Vec<(RawFd, Ident)> = open_numbers()
            .into_iter()
            .filter_map(|fd| Some((fd, Object::of(fd)?.ident)))
            .collect();
        for id in nameless {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let own = node.content.as_raw_fd();
            let ident = ident_of(&node.content);
            let is_open = open
                .iter()
                .any(|(fd, other)| *fd != own && Some(*other) == ident);
            if !is_open {
                self.nodes.remove(&id);
                self.idents.retain(|_, node| *node != id);
            }
        }
    }

    /// Whether `below` is `above`, or in it.
    fn is_within(&self, below: NodeId, above: NodeId) -> bool {
        let mut here = below;
        loop {
            if here == above {
                return true;
            }
            match self.dir(here) {
                Some(dir) if dir.parent != here => here = dir.parent,
                _ => return false,
            }
        }
    }

    pub(super) fn rename(&mut self, from: &Found, to: &Found, flags: u32) -> Result<(), i32> {
        if flags & !(libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE) != 0 {
            return Err(libc::EINVAL);
        }
        let moved = from.node.ok_or(libc::ENOENT)?;
        if from.name.is_empty() || to.name.is_empty() {
            return Err(libc::EBUSY);
        }
        let is_dir = self.is_dir(moved);
        if is_dir && self.is_within(to.parent, moved) {
            return Err(libc::EINVAL);
        }
        if !is_dir && (from.must_be_dir || to.must_be_dir) {
            return Err(libc::ENOTDIR);
        }
        if flags & libc::RENAME_EXCHANGE != 0 {
            let other = to.node.ok_or(libc::ENOENT)?;
            self.place(from.parent, &from.name, other);
            self.place(to.parent, &to.name, moved);
            return Ok(());
        }
        if let Some(old) = to.node {
            if flags & libc::RENAME_NOREPLACE != 0 {
                return Err(libc::EEXIST);
            }
            if old == moved {
                return Ok(());
            }
            match (is_dir, self.is_dir(old)) {
                (false, true) => return Err(libc::EISDIR),
                (true, false) => return Err(libc::ENOTDIR),
                (true, true) if !self.is_empty_dir(old) => return Err(libc::ENOTEMPTY),
                _ => self.unlink(to.parent, &to.name),
            }
        }
        if let Some(names) = self.names_mut(from.parent) {
            names.remove(&from.name);
        }
        self.place(to.parent, &to.name, moved);
        Ok(())
    }

    fn place(&mut self, parent: NodeId, name: &[u8], node: NodeId) {
        if let Some(names) = self.names_mut(parent) {
            names.insert(name.to_vec(), node);
        }
        if let Some(Node {
            what: What::Dir(dir),
            ..
        }) = self.nodes.get_mut(&node)
        {
            dir.parent = parent;
        }
    }
}
