-- Locks that end by themselves when their owner is gone.
--
-- lock_acquire(name, "SECONDS|OWNER"): takes the lock for so long, or takes it again where OWNER has it; answers a token.
-- lock_extend(name, "SECONDS|OWNER"): from now on for so long, where OWNER has it; answers the token.
-- lock_release(name, OWNER): lets it go, where OWNER has it; answers ok.
-- Failures (code 1): another has it (extend, release: OWNER has not); no OWNER; SECONDS not above 0 or over a year.
-- Each lock that is taken gets a larger token than all before it. Hand the token to what the lock guards: that can refuse
-- a smaller one than it has seen, which comes from an owner whose time was up before he knew.
-- The record `name` is "TOKEN OWNER" while the lock is held.

local MAX_SECONDS = 366 * 24 * 3600
-- The record in which tokens are counted.
local TOKENS = "lock.lua\0tokens"

-- Token and owner of a lock; nothing where it is free.
local function holder(name)
  local record = _get(name)
  if record then
    local token, owner = record:match("^(%d+) (.+)$")
    return token or error("this record is no lock of lock.lua"), owner
  end
end

local function parse(value)
  local seconds, owner = value:match("^([^|]*)|(.+)$")
  seconds = tonumber(seconds)
  if not seconds or not (seconds > 0 and seconds <= MAX_SECONDS) then
    error("the value must be SECONDS|OWNER, with a number of seconds above 0 and up to a year")
  end
  return seconds, owner
end

local function acquire(name, seconds, owner)
  local token, other = holder(name)
  if other and other ~= owner then
    return nil
  end
  token = token or _incr(TOKENS, 1)
  return token and _putex(name, token .. " " .. owner, seconds) and token
end

local function extend(name, seconds, owner)
  local token, other = holder(name)
  return other == owner and _putex(name, token .. " " .. owner, seconds) and token
end

local function release(name, owner)
  local _, other = holder(name)
  return other == owner and _out(name) and "ok"
end

function lock_acquire(name, value)
  return _atomic(name, acquire, name, parse(value))
end

function lock_extend(name, value)
  return _atomic(name, extend, name, parse(value))
end

function lock_release(name, owner)
  return _atomic(name, release, name, owner)
end
