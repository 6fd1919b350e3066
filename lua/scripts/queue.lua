-- Queues, first in, first out, whose elements may be any bytes.
--
-- queue_push(key, value): appends; answers how many are waiting.    queue_len(key): how many are waiting.
-- queue_pop(key): removes the oldest and answers with it.           queue_peek(key): answers with it.
-- queue_take(key, "SECONDS"): the oldest, as ID:VALUE, lent for so long: unless queue_done(key, ID) comes before, which
--   answers ok, it is given out again, with a new ID. Use the same SECONDS for all of a queue: they are looked after in the order
--   in which they were taken.
-- Failures (code 1): the queue is empty; the ID is not lent any more; a bad number; a record that is no queue.
-- Each call takes the same time, however long the queue.

local MAX_SECONDS = 366 * 24 * 3600

-- The record of an element, or of a loan: "UNTIL NUMBER", an element that is lent. What refers to another record is written after it
-- and removed before it, so that a call that fails midway leaves nothing that is lost, at worst a record that nobody needs.
local function element(key, number)
  return key .. "\0" .. ("%d"):format(number)
end

local function loan(key, id)
  return key .. "\0loan" .. ("%d"):format(id)
end

-- Numbers of the first and last element that wait, and of the first and last loan.
local function read_head(key)
  local head = _get(key)
  if not head then
    return { first = 1, last = 0, lent_first = 1, lent_last = 0 }
  end
  local first, last, lent_first, lent_last = head:match("^queue (%d+) (%d+) (%d+) (%d+)$")
  if not first then
    error("this record is no queue of queue.lua")
  end
  return {
    first = tonumber(first),
    last = tonumber(last),
    lent_first = tonumber(lent_first),
    lent_last = tonumber(lent_last),
  }
end

local function write_head(key, head)
  return _put(key, ("queue %d %d %d %d"):format(head.first, head.last, head.lent_first, head.lent_last))
end

-- The number and the value of the element whose turn it is, which `head` then has no more; third its loan, if it was lent and
-- not done in time.
local function next_element(key, head)
  local now = _time()
  while head.lent_first <= head.lent_last do
    local id = head.lent_first
    local ends, number = (_get(loan(key, id)) or ""):match("^(%S+) (%d+)$")
    if ends and tonumber(ends) > now then
      break
    end
    head.lent_first = id + 1
    local value = number and _get(element(key, number))
    if value then
      return number, value, id
    end
  end
  while head.first <= head.last do
    local number = head.first
    head.first = number + 1
    local value = _get(element(key, number))
    if value then
      return number, value
    end
  end
end

local function push(key, value)
  local head = read_head(key)
  head.last = head.last + 1
  return _put(element(key, head.last), value) and write_head(key, head) and head.last - head.first + 1
end

local function pop(key)
  local head = read_head(key)
  local number, value, id = next_element(key, head)
  if not number then
    return nil
  end
  _out(element(key, number))
  if id then
    _out(loan(key, id))
  end
  return write_head(key, head) and value
end

local function take(key, seconds)
  local head = read_head(key)
  local number, value, old = next_element(key, head)
  if not number then
    return nil
  end
  local id = head.lent_last + 1
  head.lent_last = id
  if not (_put(loan(key, id), ("%.6f %d"):format(_time() + seconds, number)) and write_head(key, head)) then
    return nil
  end
  if old then
    _out(loan(key, old))
  end
  return ("%d:"):format(id) .. value
end

local function done(key, id)
  local head = read_head(key)
  local number = (_get(loan(key, id)) or ""):match("^%S+ (%d+)$")
  if not number or id < head.lent_first or id > head.lent_last then
    return nil
  end
  _out(element(key, number))
  _out(loan(key, id))
  while head.lent_first <= head.lent_last and not _get(loan(key, head.lent_first)) do
    head.lent_first = head.lent_first + 1
  end
  return write_head(key, head) and "ok"
end

function queue_push(key, value)
  return _atomic(key, push, key, value)
end

function queue_pop(key)
  return _atomic(key, pop, key)
end

function queue_take(key, value)
  local seconds = tonumber(value)
  if not seconds or not (seconds > 0 and seconds <= MAX_SECONDS) then
    error("the value must be a number of seconds above 0 and up to a year")
  end
  return _atomic(key, take, key, seconds)
end

function queue_done(key, value)
  if not value:find("^%d+$") or #value > 15 then
    error("the value must be the ID that queue_take gave")
  end
  return _atomic(key, done, key, tonumber(value))
end

function queue_peek(key)
  local _, value = next_element(key, read_head(key))
  return value
end

function queue_len(key)
  local head = read_head(key)
  return head.last - head.first + 1
end
