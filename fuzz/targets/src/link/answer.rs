//! What a DHCP server answers, or somebody who is nearly one.

use super::MAC;
use crate::{UpTo, nat};
use arbitrary::Arbitrary;
use c2w_nat::checksum;
use std::net::Ipv4Addr;

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Kind {
    Offer,
    Ack,
    Nak,
    Other(u8),
}

#[derive(Arbitrary, Debug)]
pub struct Answer {
    address: Address,
    /// Up to 32 its length; another is none.
    mask: u8,
    options: UpTo<Info, 10>,
    /// The fields that can have options, too.
    file: UpTo<u8, 128>,
    name: UpTo<u8, 64>,
    /// A byte that is changed, and bytes that are not there.
    change: (u16, u8),
    cut: u8,
    to_all: bool,
    without_checksum: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Address {
    Good(u8),
    Any([u8; 4]),
}

#[derive(Arbitrary, Debug)]
enum Info {
    Router(UpTo<Address, 3>),
    NameServers(UpTo<Address, 6>),
    Mtu(u16),
    Domain(UpTo<u8, 40>),
    /// Of this length, and with this in it.
    LongDomain(u8, u8),
    Search(UpTo<u8, 60>),
    /// Labels of such lengths, and references.
    Names(UpTo<Label, 20>),
    Overload(u8),
    Any(u8, UpTo<u8, 20>),
}

#[derive(Arbitrary, Debug)]
enum Label {
    Of(u8),
    End,
    Reference(u8),
}

impl Answer {
    /// The frame of an answer to a question's frame.
    pub fn frame(&self, kind: Kind, question: &[u8]) -> Vec<u8> {
        let mut message = vec![0; 240];
        message[..3].copy_from_slice(&[2, 1, 6]);
        // Behind the headers of Ethernet, IP and UDP.
        message[4..8].copy_from_slice(question.get(46..50).unwrap_or(&[0; 4]));
        message[16..20].copy_from_slice(&self.address.octets());
        message[28..34].copy_from_slice(&MAC);
        message[44..][..self.name.0.len()].copy_from_slice(&self.name.0);
        message[108..][..self.file.0.len()].copy_from_slice(&self.file.0);
        message[236..].copy_from_slice(&[99, 130, 83, 99]);
        let kind = match kind {
            Kind::Offer => 2,
            Kind::Ack => 5,
            Kind::Nak => 6,
            Kind::Other(kind) => kind,
        };
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(self.mask.into())).unwrap_or(0);
        let mask = mask ^ u32::from(self.mask.saturating_sub(32));
        message.extend([53, 1, kind, 54, 4, 10, 1, 2, 1, 1, 4]);
        message.extend(mask.to_be_bytes());
        for option in &self.options.0 {
            let (code, data) = option.parts();
            // Those that are too long come in parts.
            for part in data.chunks(255) {
                message.extend([code, part.len() as u8]);
                message.extend(part);
            }
        }
        message.push(255);
        let at = usize::from(self.change.0) % message.len();
        message[at] ^= self.change.1;
        // A few bytes, most often none.
        message.truncate(message.len() - usize::from(self.cut.saturating_sub(200)));
        self.around(&message)
    }

    fn around(&self, message: &[u8]) -> Vec<u8> {
        let length = (message.len() as u16 + 8).to_be_bytes();
        let header = [0, 67, 0, 68, length[0], length[1], 0, 0];
        let to = Ipv4Addr::BROADCAST.into();
        let mut frame = nat::ip(to, 17, &[&header, message].concat());
        if self.to_all {
            frame[..6].fill(0xff);
        }
        if !self.without_checksum {
            checksum::fill(&mut frame);
        }
        frame
    }
}

impl Address {
    fn octets(self) -> [u8; 4] {
        match self {
            Self::Good(host) => [10, 1, 2, host],
            Self::Any(octets) => octets,
        }
    }
}

impl Info {
    fn parts(&self) -> (u8, Vec<u8>) {
        let octets =
            |addresses: &[Address]| addresses.iter().flat_map(|one| one.octets()).collect();
        match self {
            Self::Router(addresses) => (3, octets(&addresses.0)),
            Self::NameServers(addresses) => (6, octets(&addresses.0)),
            Self::Mtu(mtu) => (26, mtu.to_be_bytes().into()),
            Self::Domain(name) => (15, name.0.clone()),
            Self::LongDomain(length, byte) => {
                let mut name = vec![b'a'; (*length).into()];
                name.push(*byte);
                (15, name)
            }
            Self::Search(bytes) => (119, bytes.0.clone()),
            Self::Names(labels) => {
                let mut bytes = Vec::new();
                for label in &labels.0 {
                    match label {
                        Label::Of(length) => {
                            let length = length % 66;
                            bytes.push(length);
                            bytes.resize(bytes.len() + usize::from(length), b'a' + length % 26);
                        }
                        Label::End => bytes.push(0),
                        Label::Reference(back) => {
                            let to = bytes.len().saturating_sub((*back).into()) as u16;
                            bytes.extend((0xc000 | to).to_be_bytes());
                        }
                    }
                }
                (119, bytes)
            }
            Self::Overload(which) => (52, vec![*which]),
            Self::Any(code, data) => (*code, data.0.clone()),
        }
    }
}
