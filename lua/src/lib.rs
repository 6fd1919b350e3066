//! Lua extensions: scripts whose functions clients call, run by Lua 5.1.
