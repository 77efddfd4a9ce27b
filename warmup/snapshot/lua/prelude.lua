-- What the scripts that write have in common; it stands before each of them.

-- past says whether an expiry has come, by the clock that would delete the key: a script that waited in front of a
-- server for long must not delete a live key for a stale one. Where TIME is denied, given is the caller's idea of it.
local function past(expiry, given)
  if expiry == '0' then
    return false
  end
  local now = tonumber(given)
  local at = redis.pcall('TIME')
  if not at.err then
    now = tonumber(at[1]) * 1000 + math.floor(tonumber(at[2]) / 1000)
  end
  return tonumber(expiry) <= now
end

-- denied returns an error for the first command that this user may not run, before anything is written: scripts do not
-- roll back. Servers before 7.0 cannot tell.
local function denied(...)
  if redis.acl_check_cmd then
    for _, command in ipairs({...}) do
      if not redis.acl_check_cmd(unpack(command)) then
        return redis.error_reply('NOPERM this user may not run ' .. command[1])
      end
    end
  end
end

-- expire sets the expiry of a key that was just written. A key that cannot have one does not stay.
local function expire(key, expiry)
  if expiry == '0' then
    return
  end
  local done = redis.pcall('PEXPIREAT', key, expiry)
  if type(done) == 'table' and done.err then
    redis.call('DEL', key)
    return done
  end
end

