# Where Debian's libsimde-dev is installed, CMake takes the SIMDe headers from there and clones nothing.
if(EXISTS "/usr/include/simde")
  set(FETCHCONTENT_SOURCE_DIR_SIMDE "/usr/include" CACHE PATH "")
endif()
