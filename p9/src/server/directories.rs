//! Reading directories.

use super::{Open, ROOT_QID, Server};
use crate::codec::{Qid, Reader, Writer};
use crate::errno::{Errno, Result};
use crate::host::{HostDirectories, Kind, Target};
use crate::listing::Listing;
use crate::nodes::{NodeId, ROOT};
use alloc::string::ToString;

/// Most bytes of all listings that the guest has open: some 2 million entries.
const MAX_LISTED: usize = 128 << 20;

impl<H: HostDirectories> Server<H> {
    pub(super) fn read_directory(
        &mut self,
        body: &mut Reader<'_>,
        to: &mut Writer<'_>,
    ) -> Result<()> {
        let (fid, offset, count) = (body.u32()?, body.u64()?, body.u32()?);
        let room = self.room(count);
        let node = self.fid(fid)?.node;
        if !matches!(self.fid(fid)?.open, Some(Open::Directory(_))) {
            return Err(Errno::BADF);
        }
        if offset == 0 {
            let listing = self.listing(node)?;
            self.keep(fid, listing)?;
        }
        let Some(Open::Directory(listing)) = &self.fid(fid)?.open else { return Err(Errno::BADF) };
        let entries = listing.from(offset, room)?;
        to.u32(entries.len() as u32);
        to.bytes(entries);
        Ok(())
    }

    fn keep(&mut self, fid: u32, listing: Listing) -> Result<()> {
        let Some(Open::Directory(old)) = self.fids.get_mut(&fid).and_then(|fid| fid.open.as_mut())
        else {
            return Err(Errno::BADF);
        };
        let listed = self.listed - old.size() + listing.size();
        if listed > MAX_LISTED {
            return Err(Errno::NOMEM);
        }
        self.listed = listed;
        *old = listing;
        Ok(())
    }

    /// What is in a directory by now.
    fn listing(&mut self, node: NodeId) -> Result<Listing> {
        let mut listing = Listing::default();
        if node == ROOT {
            listing.push(b".", ROOT_QID);
            listing.push(b"..", ROOT_QID);
            for number in 0..self.host.count() {
                let qid = Qid { kind: Kind::Directory, path: number as u64 + 1 };
                listing.push(number.to_string().as_bytes(), qid);
            }
            return Ok(listing);
        }
        let stat = self.at(node, |host, path| host.stat(Target::Path(path)))?;
        listing.push(b".", self.qid(&stat));
        let parent = self.nodes.parent(node)?;
        let above = self.qid_at(parent);
        self.nodes.release(parent);
        listing.push(b"..", above?);
        for entry in self.at(node, |host, path| host.list(path))? {
            // Entries are taken to be on the directory's own filesystem, as getdents(2) does.
            let kind = self.attributes.kind(stat.device, entry.inode, entry.kind);
            listing.push(&entry.name, Qid { kind, path: self.inode(stat.device, entry.inode) });
        }
        Ok(listing)
    }
}
