-- Lists of limited length for new applications: a call touches the elements it is about, not the whole list.
--
-- flist_push(key, value): appends `value`, any bytes; drops the oldest beyond the limit; answers the length. `key` is
--   LIMIT|KEY, or KEY alone for 200. The other functions take KEY.
-- flist_range(key, "FROM|TO"): the elements from position FROM to TO, each as a netstring (5:hello,). 1 is the oldest, -1 the
--   newest; an empty text means 1|-1.
-- flist_len(key): how many there are.   flist_pop(key): removes the newest and answers with it.
-- flist_clear(key): removes all; answers ok.
-- Failures (code 1): a bad limit or position, a record that is no such list; flist_pop of an empty list.

local DEFAULT_LIMIT = 200
local MAX_LIMIT = 1e9

-- The key of an element. Element records are written before the head that counts them, and removed before the head forgets
-- them: a call that fails midway leaves at worst a list whose oldest or newest element is gone.
local function element(name, number)
  return name .. "\0" .. ("%d"):format(number)
end

-- The numbers of the first and the last element; the last is first - 1 where there are none.
local function read_head(name)
  local head = _get(name)
  if not head then
    return 1, 0
  end
  local first, last = head:match("^flist (%d+) (%d+)$")
  if not first then
    error("this record is no list of fixedlist.lua")
  end
  return tonumber(first), tonumber(last)
end

local function write_head(name, first, last)
  return _put(name, ("flist %d %d"):format(first, last))
end

local function push(name, limit, value)
  local first, last = read_head(name)
  last = last + 1
  if not _put(element(name, last), value) then
    return nil
  end
  while last - first + 1 > limit do
    _out(element(name, first))
    first = first + 1
  end
  return write_head(name, first, last) and last - first + 1
end

local function pop(name)
  local first, last = read_head(name)
  while first <= last do
    local value = _get(element(name, last))
    _out(element(name, last))
    last = last - 1
    if not write_head(name, first, last) then
      return nil
    elseif value then
      return value
    end
  end
end

local function clear(name)
  local first, last = read_head(name)
  for number = first, last do
    _out(element(name, number))
  end
  _out(name)
  return "ok"
end

-- A position as a number from 1 up; negative ones count from the end.
local function position(text, len)
  local number = tonumber(text)
  if not number or number % 1 ~= 0 then
    error("positions must be FROM|TO, whole numbers, such as 1|10 or -10|-1")
  end
  return number < 0 and len + 1 + number or number
end

function flist_push(key, value)
  local limit, name = DEFAULT_LIMIT, key
  if key:find("|", 1, true) then
    limit, name = key:match("^([^|]*)|(.+)$")
    limit = tonumber(limit)
    if not limit or limit < 1 or limit > MAX_LIMIT or limit % 1 ~= 0 then
      error("the key must be KEY or LIMIT|KEY, with a limit from 1 to 1000000000; for a KEY with a | in it write 200|KEY")
    end
  end
  return _atomic(name, push, name, limit, value)
end

function flist_range(key, value)
  local from, to = "1", "-1"
  if value ~= "" then
    from, to = value:match("^([^|]+)|([^|]+)$")
  end
  local first, last = read_head(key)
  local len = last - first + 1
  from, to = math.max(position(from, len), 1), math.min(position(to, len), len)
  local found = {}
  for number = from, to do
    local bytes = _get(element(key, first + number - 1))
    if bytes then
      found[#found + 1] = #bytes .. ":" .. bytes .. ","
    end
  end
  return table.concat(found)
end

function flist_len(key)
  local first, last = read_head(key)
  return last - first + 1
end

function flist_pop(key)
  return _atomic(key, pop, key)
end

function flist_clear(key)
  return _atomic(key, clear, key)
end
