//! Why a link to a peer ends.

use std::io;

use lcnode_protocol::peer::Reason;
use lcnode_storage::Position;

/// Why a link to a peer ends. The text is what `stat` and the log say.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The peer sent what the wire does not have.
    #[error("{0}")]
    Wire(#[from] Reason),
    /// A record of the peer is none.
    #[error("a record that came is damaged or none: {why} (byte {at} of the frame before {before:?})")]
    Record {
        /// What is wrong with it.
        why: &'static str,
        /// Where it began in its frame.
        at: usize,
        /// Where the frame would have led.
        before: Position,
    },
    /// A frame leads back.
    #[error("the peer's log went back from {from:?} to {to:?}: its frames are out of order")]
    Order {
        /// Where it was.
        from: Position,
        /// Where the frame leads.
        to: Position,
    },
    /// Another version of the wire.
    #[error("the peer speaks version {0} of replication: upgrade the older of the two nodes")]
    Version(u16),
    /// Both have the same id.
    #[error("{}", same_id(*sid, *itself))]
    SameId {
        /// The id.
        sid: u16,
        /// Whether it is this very node.
        itself: bool,
    },
    /// Another server with its id is connected.
    #[error("another server with the id {0} follows already: give one of them another with --sid")]
    Taken(u16),
    /// It has no id.
    #[error("the peer has the server id 0: give it another with --sid")]
    NoId,
    /// The peer does not want this node.
    #[error("refused by the peer: {0}")]
    Refused(String),
    /// The peer's clock, or a record, is from the future.
    #[error(
        "ALARM: {what} is {seconds} s ahead of the clock here, more than --max-skew: \
         set the clocks of both machines right, nothing more is taken from there until then"
    )]
    Skew {
        /// What is ahead.
        what: &'static str,
        /// By how much.
        seconds: u64,
    },
    /// The log does not go back so far any more.
    #[error("the log at {at:?} is not kept any more, it begins at {oldest:?}: everything is sent again")]
    Gone {
        /// What would have been read.
        at: Position,
        /// Where it begins.
        oldest: Position,
    },
    /// It says that it has what it was not sent.
    #[error("the peer acknowledges {acked:?}, but was sent no more than up to {at:?}")]
    AckedAhead {
        /// What it says.
        acked: Position,
        /// What it was sent.
        at: Position,
    },
    /// It sends more than was asked for.
    #[error("the peer sends lists for comparison without end")]
    TooMuch,
    /// A newer connection of the same server.
    #[error("the peer has connected anew")]
    Replaced,
    /// Too many follow.
    #[error("{0} followers are connected already, which is the most there may be")]
    TooMany(usize),
    /// Nothing comes.
    #[error("nothing came from the peer for {0} s")]
    Silent(u64),
    /// It does not take what it is sent.
    #[error("the peer did not take what it was sent within {0} s")]
    Stuck(u64),
    /// It is gone.
    #[error("the peer closed the connection")]
    Closed,
    /// It does not answer the hello.
    #[error("the peer does not answer: it is no lcnode that replicates")]
    NoAnswer,
    /// It is an original server, and following it ended for this reason.
    #[error("{0}")]
    Original(String),
    /// It goes on at once, from another place.
    #[error("connecting anew, from where this node got to the last time")]
    Again,
    /// This node is being stopped, or told to follow another.
    #[error("ended here")]
    Stopping,
    /// The network.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The store here.
    #[error("this node cannot store it: {0}")]
    Storage(#[from] lcnode_storage::Error),
}

fn same_id(sid: u16, itself: bool) -> String {
    match itself {
        true => format!(
            "the master is this node itself, or one of the two is a copy of the other's directory (server id {sid}): \
             take it off --master, or give the copy another id with --sid"
        ),
        false => format!("both nodes have the server id {sid}: give one of them another with --sid"),
    }
}
