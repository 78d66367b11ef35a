//! The format of one batch of uses: kind, length, CRC-32, the clients that used keys, the uses. An incomplete batch is
//! ignored.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv6Addr};

use crate::model::ClientAddress;
use crate::model::usage::{Hour, Tallies, Tally, UseOrigin, Uses, merge};

const LONGEST_USER_AGENT: usize = 200;
const SINGLE: u8 = 0;
const SUMS: u8 = 1;
const NO_ADDRESS: u8 = 0;
const KNOWN_ADDRESS: u8 = 1;
const UNKNOWN_ADDRESS: u8 = 2;
/// Maximum length, far more than is ever collected at once; a larger one means damage.
const LARGEST: u32 = 1 << 30;

/// Whether each entry is one use, or the total of a key's uses in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Singly,
    InSums,
}

/// The batch without the bytes of the uses, which follow it.
pub(super) fn head(clients: &[UseOrigin], uses: &Uses, counted: Counted) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + clients.len() * 40);
    body.extend_from_slice(&(clients.len() as u32).to_le_bytes());
    for client in clients {
        let (kind, address) = match client.address {
            None => (NO_ADDRESS, Ipv6Addr::UNSPECIFIED),
            Some(ClientAddress::Known(address)) => (KNOWN_ADDRESS, to_v6(address)),
            Some(ClientAddress::Unknown) => (UNKNOWN_ADDRESS, Ipv6Addr::UNSPECIFIED),
        };
        body.push(kind);
        body.extend_from_slice(&address.octets());
        let user_agent = &client.user_agent[..client.user_agent.len().min(LONGEST_USER_AGENT)];
        body.push(user_agent.len() as u8);
        body.extend_from_slice(user_agent);
    }
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&body);
    checksum.update(uses.as_bytes());
    let mut head = Vec::with_capacity(body.len() + 9);
    head.push(if counted == Counted::InSums { SUMS } else { SINGLE });
    head.extend_from_slice(&((body.len() + uses.as_bytes().len()) as u32).to_le_bytes());
    head.extend_from_slice(&checksum.finalize().to_le_bytes());
    head.extend_from_slice(&body);
    head
}

/// The totals of the next batch by key and hour; `None` at the end or if a batch is incomplete or damaged.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Tallies>> {
    let mut fixed = [0; 9];
    match from.read_exact(&mut fixed) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let four = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let (length, checksum) = (four(1), four(5));
    if length > LARGEST {
        return Ok(None);
    }
    let mut body = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut body)?;
    if body.len() != length as usize || crc32fast::hash(&body) != checksum {
        return Ok(None);
    }
    Ok(decode(&body, fixed[0] == SUMS))
}

fn decode(body: &[u8], are_sums: bool) -> Option<Tallies> {
    let (count, mut rest) = body.split_first_chunk::<4>()?;
    let mut clients = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (kind, after) = rest.split_first()?;
        let (address, after) = after.split_first_chunk::<16>()?;
        let (length, after) = after.split_first()?;
        let (user_agent, after) = after.split_at_checked(usize::from(*length))?;
        let address = match *kind {
            KNOWN_ADDRESS => Some(ClientAddress::from(IpAddr::V6(Ipv6Addr::from(*address)))),
            UNKNOWN_ADDRESS => Some(ClientAddress::Unknown),
            _ => None,
        };
        clients.push(UseOrigin { address, user_agent: user_agent.into() });
        rest = after;
    }
    let mut tallies = Tallies::default();
    for used in Uses::from_bytes(rest)?.iter() {
        let last_client = clients.get(used.client as usize).cloned().unwrap_or_default();
        let count = if are_sums { u64::from(used.number) } else { 1 };
        let tally = Tally { count, last_at: used.at, last_client };
        merge(&mut tallies, (used.key, Hour::of(used.at)), tally);
    }
    Some(tallies)
}

fn to_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
