-- Operations of LightCloud on a Redis server: script(KEY; OPERATION, ARGUMENT...). Each is atomic.
--
-- A list is a Redis list, oldest item first. Where it is empty, or came as one value from a server of another kind, it
-- is a string: its items, each followed by ~. The first change makes a Redis list of such a string.

local key, operation = KEYS[1], ARGV[1]
-- By how much a list may outgrow its limit before it is cut.
local SLACK = 100
-- Arguments of one command.
local CHUNK = 1000

local function split(text)
  local items = {}
  for item in string.gmatch(text, "[^~]+") do
    items[#items + 1] = item
  end
  return items
end

-- The items of the list, and its type: "none" where there is no list.
local function read()
  local kind = redis.call("TYPE", key).ok
  if kind == "list" then
    return redis.call("LRANGE", key, 0, -1), kind
  elseif kind == "none" then
    return {}, kind
  end
  -- An error where the record is of any other type.
  return split(redis.call("GET", key)), kind
end

local function push(items)
  for from = 1, #items, CHUNK do
    redis.call("RPUSH", key, unpack(items, from, math.min(from + CHUNK - 1, #items)))
  end
end

local function replace(items)
  -- One that is empty stays.
  redis.call("SET", key, "")
  if #items > 0 then
    redis.call("DEL", key)
    push(items)
  end
end

-- Those of `items` that are not in `old`, from number `from` on.
local function missing(items, old, from)
  local seen, new = {}, {}
  for number = from, #old do
    seen[old[number]] = true
  end
  for _, item in ipairs(items) do
    if not seen[item] then
      seen[item] = true
      new[#new + 1] = item
    end
  end
  return new
end

local operations = {}

function operations.add(limit, text)
  local items = split(text)
  local old, kind = read()
  local new = missing(items, old, 1)
  if #new == 0 then
    return
  end
  limit = tonumber(limit)
  local from = 1
  if #old + 1 + #new > limit + SLACK then
    from = #old + #new - limit + 1
    -- What was in the list until now may be among what is dropped.
    new = missing(items, old, from)
  end
  if kind == "string" then
    local kept = {}
    for number = from, #old do
      kept[#kept + 1] = old[number]
    end
    redis.call("DEL", key)
    push(kept)
  elseif from > #old then
    redis.call("DEL", key)
  elseif from > 1 then
    redis.call("LTRIM", key, from - 1, -1)
  end
  push(new)
end

function operations.remove(text)
  local old, kind = read()
  local unwanted, kept = {}, {}
  for _, item in ipairs(split(text)) do
    unwanted[item] = true
  end
  for _, item in ipairs(old) do
    if not unwanted[item] then
      kept[#kept + 1] = item
    end
  end
  if kind ~= "none" and #kept < #old then
    replace(kept)
  end
end

function operations.set(text)
  replace(split(text))
end

-- The items; nothing where there is no list.
function operations.items()
  local items, kind = read()
  return kind ~= "none" and items or false
end

-- The value that the list is on servers of other kinds.
function operations.value()
  local items, kind = read()
  if kind == "none" then
    return false
  end
  return #items == 0 and "" or table.concat(items, "~") .. "~"
end

-- Where the value of a counter is no decimal integer. One that is no number counts as 0; of a fraction, and of what is
-- too large to be exact, the text is returned in a table, and nothing changed.
function operations.count(delta)
  local text = redis.call("GET", key) or ""
  local number = tonumber(text)
  if not number or number ~= number or math.abs(number) == math.huge then
    number = 0
  elseif number % 1 ~= 0 or math.abs(number) > 2^53 then
    return {text}
  end
  redis.call("SET", key, string.format("%.0f", number))
  redis.call("INCRBY", key, delta)
  -- As text, since numbers of Lua are not exact.
  return redis.call("GET", key)
end

return operations[operation](unpack(ARGV, 2))
