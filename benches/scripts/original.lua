-- The increment as scripts of the original do it.
function incr(key, value)
  local sum = (tonumber(_get(key)) or 0) + tonumber(value)
  _put(key, sum)
  return sum
end
