//! The commands: wire ids, names, classes and mask bits, in one table.

/// A command of the protocol.
///
/// The order is that of the bits of a command mask and of the counters in the
/// output of `stat`: `Put` is bit 0, `Repl` is bit 25.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Command {
    /// Store a record, replacing the one that is there.
    Put,
    /// Store a record unless the key exists.
    PutKeep,
    /// Append to a value.
    PutCat,
    /// Append to a value and keep its last bytes.
    PutShl,
    /// Store a record without any reply.
    PutNr,
    /// Remove a record.
    Out,
    /// Read a value.
    Get,
    /// Read several records.
    MGet,
    /// Read the size of a value.
    Vsiz,
    /// Start the shared iterator.
    IterInit,
    /// The next key of the shared iterator.
    IterNext,
    /// The keys that begin with a prefix.
    FwmKeys,
    /// Add to an integer.
    AddInt,
    /// Add to a floating-point number.
    AddDouble,
    /// Call a function of the script.
    Ext,
    /// Flush to the device.
    Sync,
    /// Reorganise the database.
    Optimize,
    /// Remove all records.
    Vanish,
    /// Back up the database.
    Copy,
    /// Replay an update log.
    Restore,
    /// Set the replication master.
    SetMst,
    /// Count the records.
    Rnum,
    /// The size of the database.
    Size,
    /// The state of the server as text.
    Stat,
    /// Call a function of the database by name.
    Misc,
    /// Become a replica and receive the stream of changes.
    Repl,
}

/// What a command does, as far as the group masks care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Forbidden by `allread`.
    Read,
    /// Forbidden by `allwrite`.
    Write,
    /// Forbidden by `allmanage`.
    Manage,
    /// `ext`, which no class mask forbids, not even `allwrite`.
    Script,
    /// `repl`, which only its own bit forbids.
    Replication,
}

/// One row of the table of commands.
struct Row {
    command: Command,
    id: u8,
    name: &'static str,
    class: Class,
}

const fn row(command: Command, id: u8, name: &'static str, class: Class) -> Row {
    Row { command, id, name, class }
}

/// Every command, in the order of [`Command`], which is checked below.
static TABLE: [Row; Command::COUNT] = TABLE_ROWS;
const TABLE_ROWS: [Row; Command::COUNT] = [
    row(Command::Put, 0x10, "put", Class::Write),
    row(Command::PutKeep, 0x11, "putkeep", Class::Write),
    row(Command::PutCat, 0x12, "putcat", Class::Write),
    row(Command::PutShl, 0x13, "putshl", Class::Write),
    row(Command::PutNr, 0x18, "putnr", Class::Write),
    row(Command::Out, 0x20, "out", Class::Write),
    row(Command::Get, 0x30, "get", Class::Read),
    row(Command::MGet, 0x31, "mget", Class::Read),
    row(Command::Vsiz, 0x38, "vsiz", Class::Read),
    row(Command::IterInit, 0x50, "iterinit", Class::Read),
    row(Command::IterNext, 0x51, "iternext", Class::Read),
    row(Command::FwmKeys, 0x58, "fwmkeys", Class::Read),
    row(Command::AddInt, 0x60, "addint", Class::Write),
    row(Command::AddDouble, 0x61, "adddouble", Class::Write),
    row(Command::Ext, 0x68, "ext", Class::Script),
    row(Command::Sync, 0x70, "sync", Class::Manage),
    row(Command::Optimize, 0x71, "optimize", Class::Manage),
    row(Command::Vanish, 0x72, "vanish", Class::Write),
    row(Command::Copy, 0x73, "copy", Class::Manage),
    row(Command::Restore, 0x74, "restore", Class::Manage),
    row(Command::SetMst, 0x78, "setmst", Class::Manage),
    row(Command::Rnum, 0x80, "rnum", Class::Read),
    row(Command::Size, 0x81, "size", Class::Read),
    row(Command::Stat, 0x88, "stat", Class::Read),
    row(Command::Misc, 0x90, "misc", Class::Write),
    row(Command::Repl, 0xA0, "repl", Class::Replication),
];

/// The commands alone, read off the table; the build stops if a row is out of
/// order, because the rows are found by the command's number.
const ALL: [Command; Command::COUNT] = {
    let mut all = [Command::Put; Command::COUNT];
    let mut at = 0;
    while at < Command::COUNT {
        all[at] = TABLE_ROWS[at].command;
        assert!(all[at] as usize == at, "the table must follow the order of the enum");
        at += 1;
    }
    all
};

/// From a wire id to the command, for every possible byte.
static BY_ID: [Option<Command>; 256] = {
    let mut by_id = [None; 256];
    let mut at = 0;
    while at < Command::COUNT {
        by_id[TABLE_ROWS[at].id as usize] = Some(TABLE_ROWS[at].command);
        at += 1;
    }
    by_id
};

impl Command {
    /// How many commands there are.
    pub const COUNT: usize = 26;

    /// Every command, in the order of the mask bits.
    pub const ALL: [Command; Command::COUNT] = ALL;

    /// The command's name in masks and in `stat`, in lower case.
    #[inline]
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The command's byte in the binary dialect, the one after `C8`.
    #[inline]
    #[must_use]
    pub const fn id(self) -> u8 {
        self.row().id
    }

    /// What the command does, as far as the group masks care.
    #[inline]
    #[must_use]
    pub const fn class(self) -> Class {
        self.row().class
    }

    /// The command's bit in a mask: 0 for `put` up to 25 for `repl`.
    #[inline]
    #[must_use]
    pub const fn bit(self) -> u32 {
        self as u32
    }

    /// The command with this byte in the binary dialect.
    #[inline]
    #[must_use]
    pub fn from_id(id: u8) -> Option<Command> {
        BY_ID[usize::from(id)]
    }

    /// The command with this name, in whatever case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Command> {
        TABLE.iter().find(|row| row.name.eq_ignore_ascii_case(name)).map(|row| row.command)
    }

    #[inline]
    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_id_and_by_name() {
        for (bit, command) in Command::ALL.into_iter().enumerate() {
            assert_eq!(command.bit() as usize, bit);
            assert_eq!(Command::from_id(command.id()), Some(command));
            assert_eq!(Command::from_name(command.name()), Some(command));
            let shouted = command.name().to_uppercase();
            assert_eq!(Command::from_name(&shouted), Some(command));
        }
        let known = (0..=255).filter(|&id| Command::from_id(id).is_some());
        assert_eq!(known.count(), Command::COUNT);
        assert_eq!(Command::from_name("allread"), None);
        assert_eq!(Command::from_name(""), None);
    }

    #[test]
    fn classes_are_those_of_the_group_masks() {
        let of = |class| {
            Command::ALL
                .into_iter()
                .filter(|command| command.class() == class)
                .map(Command::name)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(of(Class::Write), "put putkeep putcat putshl putnr out addint adddouble vanish misc");
        assert_eq!(of(Class::Read), "get mget vsiz iterinit iternext fwmkeys rnum size stat");
        assert_eq!(of(Class::Manage), "sync optimize copy restore setmst");
        assert_eq!(of(Class::Script), "ext");
        assert_eq!(of(Class::Replication), "repl");
    }
}
