-- A limit on how often something happens, as a token bucket: LIMIT at once, and LIMIT in each SECONDS from then on.
--
-- rate_allow(key, "LIMIT|SECONDS") or (key, "LIMIT|SECONDS|COST"): answers ALLOWED|REMAINING|RETRY: 1 or 0; how many more are
--   allowed now; after how many seconds as much as COST (1 without) is allowed, 0 where it was.
-- Failures (code 1): LIMIT no whole number from 1 to 1e9, SECONDS not above 0 or over a year, COST no whole number from 1 to LIMIT.
-- The record `key` is "TOKENS TIME", what was left when; it is gone once the bucket is full again. What is refused writes nothing.

local MAX_LIMIT = 1e9
local MAX_SECONDS = 366 * 24 * 3600
-- Seconds that do not count: times are no more exact.
local RESOLUTION = 1e-5

local function parse(value)
  local limit, seconds, cost = value:match("^([^|]+)|([^|]+)|?([^|]*)$")
  limit, seconds, cost = tonumber(limit), tonumber(seconds), cost == "" and 1 or tonumber(cost)
  if not limit or not (limit >= 1 and limit <= MAX_LIMIT) or limit % 1 ~= 0 then
    error("the value must be LIMIT|SECONDS or LIMIT|SECONDS|COST, with a whole number from 1 to 1000000000 as limit")
  elseif not seconds or not (seconds > 0 and seconds <= MAX_SECONDS) then
    error("the seconds of LIMIT|SECONDS must be a number above 0 and up to a year")
  elseif not cost or not (cost >= 1 and cost <= limit) or cost % 1 ~= 0 then
    error("the cost of LIMIT|SECONDS|COST must be a whole number from 1 to the limit")
  end
  return limit, seconds, cost
end

-- What is in the bucket now.
local function level(key, limit, seconds, now)
  local record = _get(key)
  if not record then
    return limit
  end
  local tokens, time = record:match("^(%S+) (%S+)$")
  tokens, time = tonumber(tokens), tonumber(time)
  if not tokens or not time then
    error("this record is no bucket of ratelimit.lua")
  end
  -- A clock that was set back does not take away what is there.
  return math.min(limit, tokens + math.max(now - time, 0) * limit / seconds)
end

local function allow(key, limit, seconds, cost)
  local now = _time()
  local tokens = level(key, limit, seconds, now)
  local wait = (cost - tokens) * seconds / limit
  if wait > RESOLUTION then
    return ("0|%d|%.3f"):format(tokens, math.ceil(wait * 1000) / 1000)
  end
  tokens = math.max(tokens - cost, 0)
  local full_after = (limit - tokens) * seconds / limit
  return _putex(key, ("%.17g %.17g"):format(tokens, now), full_after) and ("1|%d|0"):format(tokens)
end

function rate_allow(key, value)
  return _atomic(key, allow, key, parse(value))
end
