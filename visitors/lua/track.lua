-- Counts visitors in each bucket of a page, and sets the expiry of a bucket with what changes it.
-- KEYS: the buckets of the visit, all of one page
-- ARGV: for each key, when it expires in milliseconds, or '' for never; then the visitors
-- returns: 1
local n = #KEYS
if n > 1 then
  -- Nothing is rolled back, so nothing is written before every key is known to be a sketch, or absent. The type is
  -- asked for where the value cannot be read: miniredis has one of its own for sketches.
  for _, key in ipairs(KEYS) do
    local head = redis.pcall('GETRANGE', key, 0, 3)
    local fits
    if type(head) == 'table' then
      local kind = redis.call('TYPE', key)
      fits = (kind.ok or kind) == 'hll'
    elseif head == '' then
      fits = redis.call('EXISTS', key) == 0
    else
      -- PFADD of nobody adds nothing, and refuses what only begins like a sketch.
      fits = head == 'HYLL' and type(redis.pcall('PFADD', key)) ~= 'table'
    end
    if not fits then
      return redis.error_reply('WRONGTYPE Key is not a valid HyperLogLog string value.')
    end
  end
end
for i, key in ipairs(KEYS) do
  local changed = 0
  for from = n + 1, #ARGV, 4000 do -- unpack takes no more than 8,000 at once
    changed = changed + redis.call('PFADD', key, unpack(ARGV, from, math.min(from + 3999, #ARGV)))
  end
  -- What is there already has its expiry.
  if changed > 0 and ARGV[i] ~= '' then
    redis.call('PEXPIREAT', key, ARGV[i])
  end
end
return 1
