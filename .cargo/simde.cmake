# If Debian's libsimde-dev is installed, CMake uses its SIMDe headers and clones nothing.
if(EXISTS "/usr/include/simde")
  set(FETCHCONTENT_SOURCE_DIR_SIMDE "/usr/include" CACHE PATH "")
endif()
