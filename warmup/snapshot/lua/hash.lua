-- Reads a hash with the expiries of its fields, at one moment.
-- KEYS[1] the hash
-- ARGV[1] now in milliseconds since 1970, for servers that tell only how long a field still lives
-- Returns field, value, expiry, field, value, expiry, ...; an expiry is text, in milliseconds since 1970, -1 for none.
-- Error NOFIELDEXPIRY where the server knows no such expiries.
local all = redis.call('HGETALL', KEYS[1])
local out = {}
local i = 1
while i <= #all do
  local fields = {}
  local first = i
  while i <= #all and #fields < 500 do
    fields[#fields + 1] = all[i]
    i = i + 2
  end
  local at = redis.pcall('HPEXPIRETIME', KEYS[1], 'FIELDS', #fields, unpack(fields))
  local base = 0
  if at.err then
    at = redis.pcall('HPTTL', KEYS[1], 'FIELDS', #fields, unpack(fields))
    base = tonumber(ARGV[1])
    if at.err then
      return redis.error_reply('NOFIELDEXPIRY ' .. at.err)
    end
  end
  for j = 1, #fields do
    local t = tonumber(at[j])
    out[#out + 1] = fields[j]
    out[#out + 1] = all[first + 2 * j - 1]
    if t < 0 then
      out[#out + 1] = '-1'
    else
      out[#out + 1] = string.format('%.0f', base + t)
    end
  end
end
return out
