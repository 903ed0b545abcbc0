//! A voter as the membership stores it: openraft's `BasicNode`, whose one text holds name and cluster ports.

use super::{NodeId, Peer};

/// A master that votes, or is about to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voter {
    pub name: String,
    /// `http://host:port` of its cluster port.
    pub peer_urls: Vec<String>,
}

impl Voter {
    /// Its number: a hash of its name.
    pub fn id(&self) -> NodeId {
        voter_id(&self.name)
    }

    /// `name=url,url`; version 1 stored the name alone.
    pub fn node(&self) -> Peer {
        Peer::new(format!("{}={}", self.name, self.peer_urls.join(",")))
    }

    /// Undoes `node`.
    pub fn of(node: &Peer) -> Voter {
        let (name, urls) = node.addr.split_once('=').unwrap_or((&node.addr, ""));
        let peer_urls = urls.split(',').filter(|url| !url.is_empty()).map(str::to_owned).collect();
        Voter { name: name.to_owned(), peer_urls }
    }
}

/// The number of the master `name`.
pub fn voter_id(name: &str) -> NodeId {
    xxhash_rust::xxh3::xxh3_64(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_survives_the_membership() {
        let voter = Voter { name: "m1".into(), peer_urls: vec!["http://a:1".into(), "http://b:2".into()] };
        assert_eq!(Voter::of(&voter.node()), voter);
        assert_eq!(Voter::of(&Peer::new("m1")), Voter { name: "m1".into(), peer_urls: vec![] });
    }
}
