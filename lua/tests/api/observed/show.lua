-- Runs the code that it is given, and writes down what it returns, as it was done with the original.
local function show(value, level)
  local kind = type(value)
  if kind == "number" then return string.format("%.17g", value) end
  if kind == "string" then
    local text = string.gsub(value, "[^%w %p]", function(byte) return string.format("\\x%02x", string.byte(byte)) end)
    return '"' .. string.gsub(text, '"', '\\"') .. '"'
  end
  if kind ~= "table" or level > 6 then return tostring(value) end
  local shown, keys = {}, {}
  for index = 1, #value do shown[index] = show(value[index], level + 1) end
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > #value then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    shown[#shown + 1] = "[" .. show(key, level + 1) .. "]=" .. show(value[key], level + 1)
  end
  return "{" .. table.concat(shown, ", ") .. "}"
end

local function finish(ok, ...)
  if not ok then return "ERR " .. tostring((...)) end
  local shown = {}
  for index = 1, select("#", ...) do shown[index] = show((select(index, ...)), 0) end
  return #shown == 0 and "(nothing)" or table.concat(shown, " ; ")
end

function run(code)
  local chunk = loadstring("return " .. code) or assert(loadstring(code))
  return finish(pcall(chunk))
end
