//! Who used keys: each address with its user agent, stored once and numbered. Number 0 means "not recorded".

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::ClientAddress;
use crate::model::foreign_text::without_keys;
use crate::model::usage::UseOrigin;

/// Maximum distinct clients recorded at a time; for others, only the time of use is known.
pub const MAX_CLIENTS: usize = 1 << 16;
/// A few clients send most requests; these are found without hashing text.
const RECENT: usize = 64;

pub const NOBODY: u32 = 0;

pub struct UseOrigins {
    list: Vec<UseOrigin>,
    numbers: HashMap<UseOrigin, u32>,
    recent: [u32; RECENT],
}

impl Default for UseOrigins {
    fn default() -> Self {
        UseOrigins { list: vec![UseOrigin::default()], numbers: HashMap::new(), recent: [NOBODY; RECENT] }
    }
}

impl UseOrigins {
    /// The client's number; new clients get a new one.
    pub fn number(&mut self, address: Option<ClientAddress>, user_agent: &[u8]) -> u32 {
        let place = place(address, user_agent);
        let recent = self.recent[place];
        let held = &self.list[recent as usize];
        if held.address == address && *held.user_agent == *user_agent {
            return recent;
        }
        let number = self.add(&UseOrigin { address, user_agent: without_keys(user_agent).into() });
        self.recent[place] = number;
        number
    }

    pub fn add(&mut self, client: &UseOrigin) -> u32 {
        if let Some(number) = self.numbers.get(client) {
            return *number;
        }
        if self.list.len() >= MAX_CLIENTS {
            return NOBODY;
        }
        let number = self.list.len() as u32;
        self.list.push(client.clone());
        self.numbers.insert(client.clone(), number);
        number
    }

    pub fn get(&self, number: u32) -> &UseOrigin {
        self.list.get(number as usize).unwrap_or(&self.list[0])
    }

    pub fn list(&self) -> &[UseOrigin] {
        &self.list
    }

    pub fn clear(&mut self) {
        self.list.truncate(1);
        self.numbers.clear();
        self.recent = [NOBODY; RECENT];
    }
}

fn place(address: Option<ClientAddress>, user_agent: &[u8]) -> usize {
    let low = match address {
        Some(ClientAddress::Known(IpAddr::V4(v4))) => v4.octets()[3],
        Some(ClientAddress::Known(IpAddr::V6(v6))) => v6.octets()[15],
        Some(ClientAddress::Unix | ClientAddress::Unknown) | None => 0,
    };
    (usize::from(low) * 7 + user_agent.len()) % RECENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_one_number_and_too_many_have_none() {
        let mut clients = UseOrigins::default();
        let at = |address: [u8; 4]| Some(ClientAddress::Known(address.into()));
        let one = clients.number(at([10, 0, 0, 1]), b"curl/8");
        let other = clients.number(at([10, 0, 0, 65]), b"curl/8");
        let key = b"kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
        let posing = clients.number(None, key);
        assert_eq!(&*clients.get(posing).user_agent, b"[key]");
        assert_eq!(clients.number(None, key), posing);
        assert_eq!(clients.number(None, b""), NOBODY);
        assert_ne!(one, other);
        assert_eq!(clients.number(at([10, 0, 0, 1]), b"curl/8"), one);
        assert_eq!(&*clients.get(one).user_agent, b"curl/8");
        for n in 0..MAX_CLIENTS as u32 {
            clients.number(at(n.to_be_bytes()), b"many");
        }
        assert_eq!(clients.number(None, b"one more"), NOBODY);
        clients.clear();
        assert_ne!(clients.number(None, b"one more"), NOBODY);
    }
}
