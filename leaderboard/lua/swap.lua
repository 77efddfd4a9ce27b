-- Puts a board that was built in the place of the one that is there.
-- KEYS: by the constants S, T, D, P, M; then the new keys of S, T, D, as far as there are these.
-- ARGV: 1 '0', or the moment in milliseconds at which the board expires; 2 rows of the new board.
-- Returns the rows of the board, or 'lost' where the new one is not there as a whole, or 'retention'; then nothing has
--       changed.
check()
local own = {S, T or false, D or false}
local at, new = 0, {}
for i = 1, 5 do
  if ({S, T or false, D or false, P or false, M or false})[i] then
    at = at + 1
  end
end
for i = 1, 3 do
  if own[i] then
    at = at + 1
    new[i] = KEYS[at]
  end
end
local rows = tonumber(ARGV[2])
if call('ZCARD', new[1]) ~= rows or T and call('HLEN', new[2]) ~= rows or D and rows > 0 and call('ZCARD', new[3]) == 0 then
  return 'lost'
end
if rows > 0 and SLIDE == 0 and ARGV[1] ~= '0' then
  for i = 1, 3 do
    if new[i] then
      call('PEXPIREAT', new[i], ARGV[1])
    end
  end
  if call('EXISTS', new[1]) == 0 then
    return 'retention'
  end
end
-- Scripts do not roll back: what a user may not use must fail before the first key goes.
local names = call('HKEYS', P)
if rows > 0 then
  if SLIDE == 0 and ARGV[1] == '0' then
    for i = 1, 3 do
      if new[i] then
        call('PERSIST', new[i])
      end
    end
  end
  call('RENAME', new[1], new[1])
end
for i = 1, 3 do
  if own[i] then
    call('UNLINK', own[i])
    if rows > 0 then
      call('RENAME', new[i], own[i])
    end
  end
end
for _, name in ipairs(names) do
  if not find(name) then
    call('HDEL', P, name)
  end
end
expire()
return rows
