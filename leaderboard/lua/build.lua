-- Adds rows to a board that is being built beside the one that is there. No member comes twice.
-- KEYS: by the constants S, T, D, of the new keys.
-- ARGV: 1 milliseconds after which the new keys go, should nobody finish them; then score, member for each, with T score,
--       member, time prefix.
-- Returns how many rows the new board has.
call('PEXPIRE', S, ARGV[1]) -- fails before anything is written where it may not be used
if not T then
  call('ZADD', S, unpack(ARGV, 2))
else
  local rows, times = {}, {}
  for i = 2, #ARGV, 3 do
    rows[#rows + 1] = ARGV[i]
    rows[#rows + 1] = ARGV[i + 2] .. ARGV[i + 1]
    times[#times + 1] = ARGV[i + 1]
    times[#times + 1] = ARGV[i + 2]
  end
  call('HSET', T, unpack(times))
  call('PEXPIRE', T, ARGV[1])
  call('ZADD', S, unpack(rows))
end
if D then
  for i = 2, #ARGV, T and 3 or 2 do
    entered(ARGV[i])
  end
  call('PEXPIRE', D, ARGV[1])
end
call('PEXPIRE', S, ARGV[1])
return call('ZCARD', S)
